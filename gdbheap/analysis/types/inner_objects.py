"""Objects that lie inside blocks that are no such object as a whole: behind a page of data, in a pool, behind another
object that was made with the same call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.claims import Claims, claims, joined
from gdbheap.analysis.types.evidence import evidence, oddities
from gdbheap.analysis.types.fits import fits
from gdbheap.analysis.types.inner import no_inner
from gdbheap.analysis.types.slots import VOID
from gdbheap.analysis.types.texts import is_text
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import TypedWords, words_of
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.types.catalogue import NONE, TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

# So many groups of words (one type at one offset in blocks of one size) are looked at, the most frequent first, and so
# many structs that have the type in them.
_MOST_GROUPS = 1024
_MOST_HOLDERS = 256
# So many elements of an array are looked at.
_MOST_LIKE = 32
# One in so many of a group of blocks tells what none of them is.
_UNLIKE = 4
# With malloc's own granularity any offset is a multiple of a smaller element's size.
_GRANULE = 16
# Shorter text may be anything.
_LETTERS = 4


def inner_claims(state: TypingState, words: TypedWords) -> tuple[Claims, TypedWords]:
    """Return claims of blocks by what lies in them, and the words that lead to objects inside blocks, whose code is
    the object's type. The words may lead anywhere."""
    words = words.at(_uncovered(state, words))
    key = np.stack((words.code.astype(np.int64), words.offset.astype(np.int64), state.room[words.target]))
    values, which, count = np.unique(key, axis=1, return_inverse=True, return_counts=True)
    which = which.reshape(-1)
    arrays: list[Claims] = []
    inner: list[NDArray[np.intp]] = []
    types = words.code.copy()
    for group in np.argsort(-count, kind="stable")[:_MOST_GROUPS].tolist():
        here = np.flatnonzero(which == group)
        here = here[np.unique(words.target[here], return_index=True)[1]]
        number, offset, room = values[:, group].tolist()
        whole = _array(state, number, offset, room, words.at(here))
        arrays.append(whole)
        here = here[~np.isin(words.target[here], whole.block)]
        for found, sound in _standing(state, number, offset, room, words.target[here]):
            types[here[sound]] = found
            inner.append(here[sound])
    chosen = np.sort(np.concatenate([np.empty(0, np.intp), *inner]))
    told = TypedWords(
        *(getattr(words, name)[chosen] if name != "code" else types[chosen] for name in TypedWords.__annotations__)
    )
    return joined(arrays), told.at(~np.isin(told.target, joined(arrays).block))


def lie_inside(
    state: TypingState, types: NDArray[np.int32], target: NDArray[np.int32], offset: NDArray[np.uint32]
) -> Mask:
    """Return at which of the offsets in these blocks an object of the type lies, or one that begins with it."""
    found = np.zeros(len(target), np.bool_)
    key = np.stack((types.astype(np.int64), offset.astype(np.int64), state.room[target]))
    values, which, count = np.unique(key, axis=1, return_inverse=True, return_counts=True)
    for group in np.argsort(-count, kind="stable")[:_MOST_GROUPS].tolist():
        number, place, room = values[:, group].tolist()
        if number >= 0 and place + state.book.info(number).size <= room:
            rows = np.flatnonzero(which.reshape(-1) == group)
            blocks, row = np.unique(target[rows], return_inverse=True)
            sound = np.zeros(len(blocks), np.bool_)
            for _, here in _standing(state, number, place, room, blocks):
                sound |= here
            found[rows] = sound[row.reshape(-1)]
    return found


def holds_others(state: TypingState, number: int, blocks: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return for each of the blocks, were they arrays of the type, how many of their pointers lead to something else in
    the same block: it is one object, and others behind it."""
    graph, book, size = state.graph, state.book, state.book.info(number).size
    codes = state.layouts.of(number).codes
    edges = state.edges_of(blocks)
    row = np.repeat(np.arange(len(blocks)), state.degree[blocks])
    own = graph.source[edges] == graph.target[edges]
    row, edges = row[own], edges[own]
    word = graph.place[edges].astype(np.int64) % size // state.layouts.pointer_size
    found = np.zeros(len(blocks), np.int32)
    for at, place, aim in zip(row.tolist(), word.tolist(), (graph.offset[edges].astype(np.int64) % size).tolist()):
        code = int(codes[place]) if place < len(codes) else NONE
        if code >= 0 and book.info(code).kind is TypeKind.STRUCT and code not in state.embedded.at(number, aim):
            found[at] += 1
    return found


def enter_inner(state: TypingState, words: TypedWords) -> TypedWords:
    """Take the objects that these words lead to, and name blocks by them; return the words in them."""
    start = state.held.blocks.start[words.target] + words.offset.astype(np.uint64)
    local = state.layouts.local(words.code)  # lays out what is not yet
    size = state.layouts.size[local].astype(np.uint64)
    state.inner = state.inner.with_more(start, start + size, words.code)
    known = state.type[words.target] >= 0
    nearer = known & (words.offset < state.part[words.target]) & (state.count[words.target] == 0)
    # (What a vtable tells of the whole rest of a block stays its name.)
    nearer &= ~np.isin(words.target, state.behind.block)
    _keep_as_inner(state, distinct(words.target[nearer]))
    state.take(_named(words))
    edges = state.edges_of(distinct(words.target))
    place = state.held.blocks.start[state.graph.source[edges]] + state.graph.place[edges].astype(np.uint64)
    fresh = no_inner().with_more(start, start + size, words.code)
    return words_of(state, edges[fresh.at(place)[0] >= 0])


def _keep_as_inner(state: TypingState, blocks: NDArray[np.int32]) -> None:
    """Have what these blocks were called by lie in them."""
    types = state.type[blocks]
    start = state.held.blocks.start[blocks] + state.part[blocks].astype(np.uint64)
    local = state.layouts.local(types)  # lays out what is not yet
    state.inner = state.inner.with_more(start, start + state.layouts.size[local].astype(np.uint64), types)
    state.forget(blocks)


def _named(words: TypedWords) -> Claims:
    """Return claims of the blocks that these words lead into: what is in front is what a block is called by."""
    order = np.lexsort((words.offset, words.target))
    words = words.at(order[np.unique(words.target[order], return_index=True)[1]])
    found = claims(
        words.target,
        words.code,
        How.INSIDE,
        part=words.offset,
        parent=words.parent,
        parent_place=words.place,
        whole=False,
    )
    found.confidence[:] = np.minimum(words.trust, np.uint8(Confidence.LIKELY))
    return found


def _uncovered(state: TypingState, words: TypedWords) -> Mask:
    """Return which of the words lead to structs where nothing is known to lie yet, but for the starts of blocks."""
    target, offset = words.target, words.offset.astype(np.int64)
    local = state.layouts.local(np.maximum(words.code, -1).astype(np.int32))
    layouts = state.layouts
    kind, size = layouts.kind[local], layouts.size[local]
    chosen: Mask = (words.code >= 0) & ((kind == TypeKind.STRUCT) | (kind == TypeKind.UNION)) & ~words.many
    chosen &= (size > 1) & (offset > 0) & (size <= state.room[target] - offset) & (offset % layouts.pointer_size == 0)
    local = layouts.local(state.type[target])
    part = state.part[target].astype(np.int64)
    endless = (state.count[target] > 0) | _goes_on(state, state.type[target])
    known = (state.type[target] >= 0) & (offset >= part) & (endless | (offset < part + layouts.size[local]))
    address = state.held.blocks.start[target] + words.offset.astype(np.uint64)
    free: Mask = chosen & ~known & (state.inner.at(address)[0] < 0)
    return free


def _goes_on(state: TypingState, types: NDArray[np.int32]) -> Mask:
    """Return which of the types have an array behind them, of what is no raw memory."""
    arrays = []
    for number in distinct(types).tolist():
        element = state.layouts.of(number).element if number != NONE else NONE
        if element != NONE and state.book.info(element).kind not in (TypeKind.CHARACTER, TypeKind.SCALAR):
            arrays.append(number)
    found: Mask = np.isin(types, arrays)
    return found


def _array(state: TypingState, number: int, offset: int, room: int, words: TypedWords) -> Claims:
    """Return claims of the blocks that are just so large as a number of such objects, of which this is one."""
    size = state.book.info(number).size
    count = room // size
    words = words.at(state.type[words.target] < 0)
    exact = fits(np.array([room]), np.array([count * size]), state.layouts.overhead)[0]
    if not len(words) or count < 2 or offset % size or size <= _GRANULE or not exact:
        return joined([])
    elements = range(0, min(count, _MOST_LIKE) * size, size)
    good = np.sum([_evidence(state, number, words.target, place)[0] for place in elements], axis=0)
    bad = evidence(state, number, words.target, 0, True)[1] + oddities(state, number, words.target, True)
    words = words.at((bad == 0) & (good > 1))
    return claims(words.target, number, How.ARRAY, count=count, parent=words.parent, parent_place=words.place)


def _standing(
    state: TypingState, number: int, offset: int, room: int, blocks: NDArray[np.int32]
) -> Iterator[tuple[int, Mask]]:
    """Yield the type of what lies there as a whole, and in which of the blocks, which ascend: the type itself, or the
    one struct that begins with it. Nothing where it may be a part of something else."""
    good, bad = _evidence(state, number, blocks, offset)
    free = np.ones(len(blocks), np.bool_)
    beginning: list[tuple[int, Mask]] = []
    for holder, place in state.embedded.holders(number)[:_MOST_HOLDERS]:
        info, begin = state.book.info(holder), offset - place
        if begin < 0 or begin + info.size > room or info.kind is not TypeKind.STRUCT:
            continue
        agrees, against = _evidence(state, holder, blocks, begin)
        if not place:
            beginning.append((holder, (against == 0) & (agrees > good)))
        else:
            # (What goes with the one struct goes with none of the other by accident; blocks of one size are alike.)
            free &= (against > 0) | (_UNLIKE * np.count_nonzero(against) >= len(blocks))
    better = np.sum([sound for _, sound in beginning], axis=0) if beginning else np.zeros(len(blocks), np.int64)
    for holder, sound in beginning:
        yield holder, sound & free & (better == 1)
    yield number, (bad == 0) & (good > 0) & free & (better == 0)


def _evidence(
    state: TypingState, number: int, blocks: NDArray[np.int32], offset: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return what speaks for such an object at the offset, and what against it: as ever, and that a pointer of its own
    to anything leads right behind it, to what was put there along with it, one to its own type to its like, or one to
    characters to text."""
    good, bad = evidence(state, number, blocks, offset)
    graph, size = state.graph, state.book.info(number).size
    codes = state.layouts.of(number).codes
    edges = state.edges_of(blocks)
    row = np.repeat(np.arange(len(blocks)), state.degree[blocks])
    place, aim = graph.place[edges].astype(np.int64) - offset, graph.offset[edges].astype(np.int64) - offset
    inside = (place >= 0) & (place < size) & (place // state.layouts.pointer_size < len(codes))
    row, aim, edges = row[inside], aim[inside], edges[inside]
    code = codes[place[inside] // state.layouts.pointer_size]
    own = graph.source[edges] == graph.target[edges]
    behind = own & (code == VOID) & (aim == size)
    like = own & (code == number) & ((aim == 0) | (aim % size == 0) & (size > _GRANULE))
    kinds = [each >= 0 and state.book.info(each).kind is TypeKind.CHARACTER for each in code.tolist()]
    led = np.flatnonzero(np.array(kinds, np.bool_) & (graph.offset[edges] == 0))
    targets, which = np.unique(graph.target[edges[led]], return_inverse=True)
    text = led[is_text(state, targets, 0, _LETTERS)[which.reshape(-1)]]
    np.add.at(good, np.concatenate((row[behind | like], row[text])), 1)
    layout = state.layouts.of(number)
    if layout.flexible >= 0 and state.book.info(layout.element).kind is TypeKind.CHARACTER:
        end = np.minimum(offset + layout.flexible, state.room[blocks])
        good += is_text(state, blocks, end.astype(np.uint32), _LETTERS)
    return good, bad
