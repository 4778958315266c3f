"""What function objects of libstdc++ hold in blocks of their own: a std::function's manager and a std::any's have its
type in their names, and lie beside the pointer to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.analysis.objects.closures import Closures, template_arguments
from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.claims import Claims, claims
from gdbheap.analysis.types.class_names import ClassNames, plain
from gdbheap.analysis.types.fits import fits
from gdbheap.analysis.types.static_words import words_into
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import np, regex
from gdbheap.process.columns.distinct import coded, distinct
from gdbheap.process.columns.gather import gather_words
from gdbheap.types.catalogue import NONE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Column = NDArray[np.int64]
    Words = NDArray[np.uint64]

_ANY = regex(r"std::any::_Manager_external<(?P<type>.*)>::_S_manage\(.*")
_HANDLERS = ("std::_Function_handler<", "std::_Function_base::_Base_manager<")
# So many words of a closure lie in the std::function.
_IN_ITSELF = 2
# So many different functions are asked about, the most frequent first.
_MOST = 1 << 12


def function_claims(state: TypingState) -> Iterator[Claims]:
    """Yield claims of what std::function and std::any hold; what has no type in the debug information is named in the
    state."""
    if state.lookup is None:
        return
    size = state.layouts.pointer_size
    finder = _Held(state)
    for place, word in (_in_blocks(state), _in_roots(state)):
        # (To look at a function's code takes long: only where a manager would have a block to manage.)
        held = _near_pointers(state, place)
        place, word = place[held], word[held]
        values, _, which = coded(word)
        for index in np.argsort(-np.bincount(which), kind="stable")[:_MOST].tolist():
            found = finder.held_by(int(values[index]))
            if found is not None:
                name, types, offset = found
                owners = place[which == index] - np.int64(offset * size).astype(np.uint64)
                yield from finder.claimed(name, types, owners)


def _near_pointers(state: TypingState, place: Words) -> NDArray[np.bool_]:
    """Return at which places a manager may lie that has something in a block: what leads to the block's start is two
    words in front of it (std::function), or right behind it (std::any)."""
    size = np.uint64(state.layouts.pointer_size)
    found = np.zeros(len(place), np.bool_)
    for near in (place - np.uint64(2) * size, place + size):
        words = gather_words(state.process.memory, int(size), near, 1)[:, 0]
        found |= state.starting_at(words) >= 0
    return found


def name_closures(state: TypingState) -> None:
    """Have structs without a name go by that of the one closure that the blocks of that type are. (clang gives the
    types of closures none.)"""
    told: dict[int, set[str]] = {}
    for block, name in state.names.items():
        number = int(state.type[block])
        if number != NONE and not state.book.info(number).name:
            told.setdefault(number, set()).add(name)
    for number, names in told.items():
        if len(names) == 1:
            state.book.change(number, replace(state.book.info(number), name=names.pop()))


def _in_blocks(state: TypingState) -> tuple[Words, Words]:
    """Return (address, word) of the words of blocks that point to code."""
    code = [(vma.start, vma.end) for vma in state.process.address_space if vma.is_file and vma.executable]
    block, place, word = words_into(state, code)
    return state.held.blocks.start[block] + place.astype(np.uint64), word


def _in_roots(state: TypingState) -> tuple[Words, Words]:
    """Return the same of the words near those of the roots that point to blocks: two behind, and one in front."""
    size = np.uint64(state.layouts.pointer_size)
    pointers = state.held.from_roots.place[state.held.from_roots.offset == 0]
    places = distinct(np.concatenate((pointers + np.uint64(2) * size, pointers - size)))
    words = gather_words(state.process.memory, int(size), places)[:, 0]
    is_code = state.code.hold(words)
    return places[is_code], words[is_code]


class _Held:
    """Tells what managers manage."""

    def __init__(self, state: TypingState) -> None:
        self._state = state
        self._names = ClassNames(state.book)
        assert state.lookup is not None
        self._lookup = state.lookup
        self._closures = Closures(state.lookup)
        self._by_functor: dict[str, list[int]] | None = None

    def held_by(self, manager: int) -> tuple[str, tuple[int, ...], int] | None:
        """Return the name and types of what the manager holds in a block, and how many words behind the pointer to it
        the manager lies; None where it is none."""
        symbol = self._lookup.symbol(manager)
        if symbol is None or symbol.offset:
            return None
        match = _ANY.fullmatch(symbol.name)
        if match is not None:
            return match["type"], self._names.find(match["type"]), -1
        functor = self._closures.functor(manager) or self._closures.managed(manager)
        types = self._functors(functor) if functor else ()
        if not functor or (not self._closures.functor(manager) and not self._are_large(types)):
            return None
        for number in types:
            info = self._state.book.info(number)
            if not info.name or "<lambda" in info.name:
                self._state.book.change(number, replace(info, name=functor))
        return f"closure of {functor}", types, 2

    def _are_large(self, types: tuple[int, ...]) -> bool:
        """Whether a std::function has no room for them in itself. (That needs no look at code: where nothing reads
        that, those that are small but not copied as bytes are missed.)"""
        sizes = [self._state.book.info(each).size for each in types]
        return bool(sizes) and min(sizes) > _IN_ITSELF * self._state.layouts.pointer_size

    def claimed(self, name: str, types: tuple[int, ...], owners: Words) -> Iterator[Claims]:
        """Yield claims of the blocks to whose start the words at these places point; name those that no type
        fits."""
        state, size = self._state, self._state.layouts.pointer_size
        owners = np.sort(owners)
        words = gather_words(state.process.memory, size, owners)[:, 0]
        start = state.held.blocks.start
        block = np.minimum(np.searchsorted(start, words), len(start) - 1)
        good = start[block] == words
        block, owners = block[good], owners[good]
        several = sum(fits(state.room[block], state.book.info(each).size, state.layouts.overhead) for each in types)
        if len(types) > 1 and len(block) and int(np.max(several)) > 1:
            # Closures of one function have one name: which of those that fit it is, is not known.
            types = ()
        for number in types:
            fitting = fits(state.room[block], state.book.info(number).size, state.layouts.overhead)
            holder = np.searchsorted(start, owners[fitting], side="right").astype(np.int64) - 1
            inside = (holder >= 0) & (owners[fitting] < state.held.blocks.end[holder])
            yield claims(
                block[fitting],
                number,
                How.CONTAINER,
                Confidence.CERTAIN,
                parent=np.where(inside, holder, -1).astype(np.int32),
                parent_place=owners[fitting],
            )
            block, owners = block[~fitting], owners[~fitting]
        state.names.update(dict.fromkeys(block.tolist(), name))

    def _functors(self, name: str) -> tuple[int, ...]:
        """Return the types of this name, by the library's own types that have them as argument."""
        if self._by_functor is None:
            self._by_functor = {}
            for handler, numbers in self._state.book.catalogue.by_name.items():
                if handler.startswith(_HANDLERS):
                    for number in numbers:
                        self._note(handler, number, self._by_functor)
        return tuple(dict.fromkeys(self._by_functor.get(_plain_functor(name), ())))

    def _note(self, handler: str, number: int, found: dict[str, list[int]]) -> None:
        arguments = self._state.book.info(number).arguments
        names = template_arguments(handler.partition("<")[2].rpartition(">")[0])
        functor = self._state.book.stripped(arguments[-1]) if arguments else NONE
        if names and functor != NONE and self._state.book.info(functor).size:
            found.setdefault(_plain_functor(names[-1]), []).append(functor)


_LAMBDA = regex(r"\{lambda(?P<parameters>\(.*?\))#\d+\}")
_CALL = regex(r"::operator\(\)\([^()]*\)(?: const)?")


def _plain_functor(name: str) -> str:
    """Return a closure's name as both write it: symbols "f()::{lambda(int)#1}", types "f()::<lambda(int)>"."""
    return plain(_CALL.sub("", _LAMBDA.sub(r"<lambda\g<parameters>>", name)))
