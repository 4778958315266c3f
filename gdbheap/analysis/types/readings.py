"""How well it goes that a pointer to a block's start is one to a type: what the block's size, type and bytes say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.container_signs import Signs
from gdbheap.analysis.types.containers import containers_in
from gdbheap.analysis.types.counts import integers_of, read_integers
from gdbheap.analysis.types.evidence import evidence, oddities
from gdbheap.analysis.types.fits import fits, least_room
from gdbheap.analysis.types.plausible import FLOAT_NAMES, FLOATS, is_float_in_use
from gdbheap.analysis.types.slots import BYTES, MIXED, VOID, WordLayout
from gdbheap.analysis.types.texts import MOST_LETTERS, is_text
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import np
from gdbheap.process.columns.gather import gather_words
from gdbheap.types.catalogue import TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Blocks = NDArray[np.int32]
    Scores = NDArray[np.int64]

WRONG = -16
"""What a reading is worth that something speaks against."""
# Agreement beyond this adds nothing: a large struct is no surer than a small one.
_MOST = 4
_LETTERS = 4
# Malloc rounds up by so many words, at most.
_ROUNDED = 3
# So many pointers of a struct are followed.
_MOST_POINTERS = 8
_TEXT, _EXACT, _KNOWN, _COUNTED = 3, 1, 4, 2
_ODD = -1
_MOST_COUNT = 1 << 31


def reading(state: TypingState, number: int, blocks: Blocks) -> Scores:
    """Return how well it goes with each block (in any order) that a pointer to this type leads to its start: WRONG,
    or a small number."""
    values, which = np.unique(blocks, return_inverse=True)
    return _reading(state, number, values)[which.reshape(-1)]


def _reading(state: TypingState, number: int, blocks: Blocks) -> Scores:
    kind = state.book.info(number).kind
    known = state.type[blocks]
    if kind in (TypeKind.STRUCT, TypeKind.UNION):
        said = _of_struct(state, number, blocks)
    elif kind is TypeKind.POINTER:
        said = _of_pointers(state, number, blocks)
    elif kind in (TypeKind.CHARACTER, TypeKind.SCALAR):
        # (Fewer letters may be a small number.)
        text, letters = is_text(state, blocks), is_text(state, blocks, 0, _LETTERS)
        good, bad = (_TEXT, _ODD) if kind is TypeKind.CHARACTER else (_ODD, 0)
        plain = np.where(letters, good, np.where(text, 0, bad))
        if kind is TypeKind.SCALAR:
            info, alone = state.book.info(number), _of_one_number(state, number, blocks)
            # (The bytes of many a floating-point number, 3.3 among them, are letters, no more than it has.)
            no_more = letters & ~is_text(state, blocks, 0, min(info.size + 1, MOST_LETTERS))
            no_more &= (info.name in FLOAT_NAMES) & (alone > _EXACT)
            plain = np.where(no_more, _TEXT, np.where(letters | text, plain, alone))
        said = np.where(state.pointing[blocks] & ~text, WRONG, plain).astype(np.int64)
    else:
        said = np.zeros(len(blocks), np.int64)
    whole = (known >= 0) & state.whole[blocks] & (state.part[blocks] == 0)
    found: Scores = np.where(whole, np.where(known == number, _KNOWN, WRONG), said)
    return found


def _of_one_number(state: TypingState, number: int, blocks: Blocks) -> Scores:
    """Return what it says for a number of this type that a block is as large as just one, and that it looks like one:
    what is a floating-point number in use is no integer, as none is so large, and the other way round."""
    info = state.book.info(number)
    exact = fits(state.room[blocks], info.size, state.layouts.overhead)
    if info.size not in FLOATS:
        return np.where(exact, _EXACT, 0).astype(np.int64)
    words = gather_words(state.process.memory, info.size, state.held.blocks.start[blocks], 2)
    value, alone = words[:, 0], words[:, 1] == 0
    looks = (value == 0) | (is_float_in_use(value, info.size) == (info.name in FLOAT_NAMES))
    # (A struct has seldom nothing behind its first word.)
    said = np.where(looks, np.where(alone & (value != 0), 2 * _EXACT, _EXACT), _ODD)
    return np.where(exact, said, 0).astype(np.int64)


def _of_struct(state: TypingState, number: int, blocks: Blocks) -> Scores:
    layout, overhead = state.layouts.of(number), state.layouts.overhead
    room, length = state.room[blocks], state.book.info(number).size
    if not length:
        return np.zeros(len(blocks), np.int64)
    exact = fits(room, length, overhead)
    grown = np.zeros(len(room), np.bool_)
    if layout.flexible >= 0:
        count = np.maximum(room - layout.flexible, 0) // max(layout.stride, 1)
        grown = (room >= layout.flexible) & (least_room(layout.flexible + count * layout.stride, overhead) == room)
    several = (room >= 2 * length) & (least_room(room // length * length, overhead) == room)
    good, bad = evidence(state, number, blocks)
    more = _goes_on(state, blocks, length)
    said = np.minimum(good, _MOST).astype(np.int64) + np.where(exact & (layout.flexible < 0), _EXACT, 0)
    said += np.where(exact | grown, 0, _ODD) - np.minimum(oddities(state, number, blocks), _MOST)
    behind, inside = own_pointers(state, blocks, layout)
    said += np.where(exact & more & ~behind, _ODD, 0) + np.where(behind, _TEXT, 0) + np.where(inside, _ODD, 0)
    if layout.flexible >= 0 and state.book.info(layout.element).kind is TypeKind.CHARACTER:
        # (Where text begins at once, there are no numbers in front of it.)
        at_once = is_text(state, blocks, 0, min(max(layout.flexible, _LETTERS), MOST_LETTERS))
        said += np.where(at_once, _ODD, np.where(is_text(state, blocks, layout.flexible) & grown, _TEXT, 0))
    said += _counted_behind(state, number, blocks)
    wrong = (bad > 0) | ~(exact | grown | several)
    if layout.flexible >= 0 and state.book.info(layout.element).kind is TypeKind.CHARACTER:
        wrong |= (
            state.pointing[blocks] & ~((layout.codes >= 0) | (layout.codes == VOID) | (layout.codes == MIXED)).any()
        )
    said += _led_to(state, number, blocks)
    signs = container_signs(state, number, blocks)
    return np.where(wrong | (signs < 0), WRONG, said + np.minimum(signs, _MOST))


def own_pointers(state: TypingState, blocks: Blocks, layout: WordLayout) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return in which of the blocks a pointer to characters, or to anything, leads behind such an object in the same
    block: data made along with it; and in which it leads to members that are none."""
    graph, size = state.graph, state.layouts.pointer_size
    edges = state.edges_of(blocks)
    row = np.repeat(np.arange(len(blocks)), state.degree[blocks])
    word, aim = graph.place[edges].astype(np.int64) // size, graph.offset[edges].astype(np.int64)
    own = (graph.source[edges] == graph.target[edges]) & (word < len(layout.codes)) & (aim > word * size)
    row, code, aim = row[own], layout.codes[word[own]], aim[own]
    letters = np.array([each == VOID or _is_letter(state, each) for each in code.tolist()], np.bool_)
    behind, inside = np.zeros(len(blocks), np.bool_), np.zeros(len(blocks), np.bool_)
    behind[row[letters & (aim >= layout.size)]] = True
    at = np.minimum(aim // size, len(layout.codes) - 1)
    inside[row[letters & (aim < layout.size) & (layout.codes[at] != BYTES)]] = True
    return behind, inside


def _is_letter(state: TypingState, code: int) -> bool:
    return code >= 0 and state.book.info(code).kind is TypeKind.CHARACTER


def _counted_behind(state: TypingState, number: int, blocks: Blocks) -> Scores:
    """Return what it says of the flexible array behind such objects whether one of their own numbers is that of its
    elements, perhaps without a zero at their end; 0 where the type has no such array, or no number."""
    layout = state.layouts.of(number)
    places = integers_of(state, number) if layout.flexible >= 0 else []
    if not places:
        return np.zeros(len(blocks), np.int64)
    start, room = state.held.blocks.start[blocks], state.room[blocks]
    found = np.zeros(len(blocks), np.bool_)
    for at, width in places:
        count = np.minimum(read_integers(state, start + np.uint64(at), width), _MOST_COUNT)
        for more in (0, 1):
            length = layout.flexible + (count + more) * layout.stride
            found |= (count > 0) & (least_room(length, state.layouts.overhead) == room)
    # (That a small number goes with the smallest array says nothing.)
    smallest = least_room(np.array([layout.flexible + layout.stride]), state.layouts.overhead)[0]
    return np.where(found, np.where(room > smallest, _COUNTED, 0), _ODD).astype(np.int64)


def container_signs(state: TypingState, number: int, blocks: Blocks, part: int = 0) -> Scores:
    """Return what the C++ library's containers in such objects, which begin at `part`, say of themselves: above 0 that
    they are some, -1 that one is none."""
    found = np.zeros(len(blocks), np.int64)
    wrong = np.zeros(len(blocks), np.bool_)
    address = state.held.blocks.start[blocks] + np.uint64(part)
    for offset, container in containers_in(state.book, number)[:_MOST_POINTERS]:
        said = Signs(state).of_container(container, address + np.uint64(offset))
        wrong |= said < 0
        found += np.maximum(said, 0)
    return np.where(wrong, -1, found)


def _led_to(state: TypingState, number: int, blocks: Blocks) -> Scores:
    """Return what the blocks say that the pointers of such objects lead to, as far as these have no type yet: whether
    it looks like what it should be, and whether it is just as large as a number beside the pointer says."""
    codes, size = state.layouts.of(number).codes, state.layouts.pointer_size
    start = state.held.blocks.start[blocks]
    numbers = [read_integers(state, start + np.uint64(at), width) for at, width in integers_of(state, number)]
    said = np.zeros(len(blocks), np.int64)
    for word in np.flatnonzero(codes >= 0)[:_MOST_POINTERS].tolist():
        code = int(codes[word])
        led = state.starting_at(gather_words(state.process.memory, size, start + np.uint64(word * size))[:, 0])
        led[led >= 0] = np.where(state.type[led[led >= 0]] < 0, led[led >= 0], -1)
        here = np.flatnonzero(led >= 0)
        if len(here):
            said[here] += looks_like(state, code, led[here])
            length = max(state.book.info(code).size, 1)
            said[here] += _COUNTED * _counted(
                [each[here] for each in numbers], length, state.room[led[here]], state.layouts.overhead
            )
    return said


def looks_like(state: TypingState, code: int, led: NDArray[np.int64]) -> Scores:
    """Return whether blocks look like what a pointer to this type should lead to: 1, _ODD, or 0."""
    kind = state.book.info(code).kind
    if kind not in (TypeKind.POINTER, TypeKind.STRUCT, TypeKind.CHARACTER):
        return np.zeros(len(led), np.int64)
    many = kind is TypeKind.POINTER
    targets, which = np.unique(led.astype(np.int32), return_inverse=True)
    if kind is TypeKind.CHARACTER:
        return is_text(state, targets, 0, _LETTERS)[which.reshape(-1)].astype(np.int64)
    good, bad = evidence(state, code, targets, 0, many)
    odd = oddities(state, code, targets, many) > (0 if many else good)
    return np.where((bad > 0) | odd, _ODD, np.where(good > 0, 1, 0))[which.reshape(-1)].astype(np.int64)


def _counted(numbers: list[Scores], length: int, room: Scores, overhead: int) -> NDArray[np.bool_]:
    """Return where one of the numbers, above 1, is that of objects of this length for which malloc gives the room."""
    found = np.zeros(len(room), np.bool_)
    for each in numbers:
        sound = (each > 1) & (each < _MOST_COUNT)
        found |= sound & (least_room(np.where(sound, each, 0) * length, overhead) == room)
    return found


def _of_pointers(state: TypingState, number: int, blocks: Blocks) -> Scores:
    good, bad = evidence(state, number, blocks, 0, True)
    bad = bad + (oddities(state, number, blocks, True) > good)
    empty = state.degree[blocks] == 0
    return np.where(bad > 0, WRONG, np.where(empty, _ODD, np.minimum(good, _MOST))).astype(np.int64)


def _goes_on(state: TypingState, blocks: Blocks, length: int) -> NDArray[np.bool_]:
    """Return which blocks, which ascend, hold something in the room that malloc gives beyond what was asked for."""
    size = state.layouts.pointer_size
    place = state.held.blocks.start[blocks] + np.uint64(-(-length // size) * size)
    found = np.zeros(len(blocks), np.bool_)
    for word in range(_ROUNDED):
        at = place + np.uint64(word * size)
        words: NDArray[np.uint64] = gather_words(state.process.memory, size, at)[:, 0]
        found |= (words != 0) & (at + np.uint64(size) <= state.held.blocks.end[blocks])
    return found
