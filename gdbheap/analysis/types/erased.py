"""What void * members of C++ hold whose type was erased, by the functions and tables beside them: these are instances
of a template, and have the type as an argument in their names ("ops_for<Session>", "destroy<Session>(void *)")."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdbheap.analysis.objects.closures import template_arguments
from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.brothers import void_words
from gdbheap.analysis.types.claims import Claims, claims, joined
from gdbheap.analysis.types.class_names import ClassNames
from gdbheap.analysis.types.evidence import evidence
from gdbheap.analysis.types.fits import fits
from gdbheap.analysis.types.tags import tagged_part
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import TypedWords
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import coded, distinct
from gdbheap.process.columns.gather import gather_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]

# So many members are looked at, so many words of the struct that each lies in, and so many functions and tables.
_MOST_MEMBERS, _MOST_WORDS, _MOST_NAMES = 256, 8, 1 << 10
_LONGEST = 1 << 12


class Erased:
    """Finds such blocks."""

    def __init__(self, state: TypingState) -> None:
        self._state = state
        self._names = ClassNames(state.book)
        self._known: dict[int, tuple[int, ...]] = {}

    def find(self) -> Claims:
        """Return claims of what such members lead to."""
        state = self._state
        if state.lookup is None:
            return joined([])
        words = void_words(state)
        words = words.at((state.type[words.target] < 0) & (words.offset == 0))
        slots = distinct(words.slot).tolist()[:_MOST_MEMBERS]
        return joined([each for slot in slots for each in self._of_member(words.at(words.slot == slot))])

    def _of_member(self, words: TypedWords) -> Iterator[Claims]:
        state, size = self._state, self._state.layouts.pointer_size
        owner, word = state.layouts.owner(int(words.slot[0]))
        struct, offset = tagged_part(state.book, owner, word * size)
        if state.book.info(struct).language != "c++":
            return
        words = words.at(np.argsort(words.place, kind="stable"))
        count = min(state.book.info(struct).size // size, _MOST_WORDS)
        beside = gather_words(state.process.memory, size, words.place - np.uint64(offset), count)
        beside[~state.modules.hold(beside)] = 0
        for number, rows in self._told(beside, state.room[words.target]).items():
            here = words.at(np.array(rows, np.intp))
            here = here.at(np.unique(here.target, return_index=True)[1])
            here = here.at(evidence(state, number, here.target)[1] == 0)
            yield claims(
                here.target, number, How.CALLBACK, Confidence.LIKELY, parent=here.parent, parent_place=here.place
            )

    def _told(self, beside: Words, room: NDArray[np.int64]) -> dict[int, list[int]]:
        """Return which rows of these words, beside members that lead to so much room, tell which one type."""
        found: dict[int, list[int]] = {}
        if not beside.size:
            return found
        _, first, which = coded(_codes_of_rows(beside, room))
        for group, row in enumerate(first.tolist()):
            types = {
                number
                for address in set(beside[row].tolist()) - {0}
                for number in self._arguments(address)
                if fits(room[row : row + 1], self._state.book.info(number).size, self._state.layouts.overhead)[0]
            }
            if len(types) == 1:
                found.setdefault(types.pop(), []).extend(np.flatnonzero(which == group).tolist())
        return found

    def _arguments(self, address: int) -> tuple[int, ...]:
        """Return the structs among the template's arguments in the name of what is at the address."""
        if address not in self._known and len(self._known) < _MOST_NAMES:
            assert self._state.lookup is not None
            symbol = self._state.lookup.symbol(address)
            name = symbol.name if symbol is not None and not symbol.offset else ""
            self._known[address] = tuple(
                number
                for argument in (_arguments_in(name) if "<" in name and len(name) < _LONGEST else ())
                for number in self._names.find(argument)
            )
        return self._known.get(address, ())


def _codes_of_rows(beside: Words, room: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a number for each row of words and its room: equal where these are."""
    rows = np.column_stack((beside, room.astype(np.uint64)))
    found: NDArray[np.int64] = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return found


def _arguments_in(name: str) -> list[str]:
    """Return the arguments of the templates that a name begins with, up to the parameters of the function that it
    is."""
    found: list[str] = []
    depth, begin = 0, 0
    for at, letter in enumerate(name):
        if letter == "(" and not depth:
            break
        if letter == "<":
            begin = begin if depth else at + 1
            depth += 1
        elif letter == ">" and name[at - 1 : at] != "-" and depth:
            depth -= 1
            found += template_arguments(name[begin:at]) if not depth else []
    return found
