"""CPython's objects: each points to its type, which has its name (3.9 to 3.14: struct _object, struct _typeobject).

In front of an object there may be the collector's two words (PyGC_Head), and two more in front of these (a dict and
weak references that the interpreter manages, from 3.11 on), or malloc's debug header.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gdbheap.analysis.objects.block_words import BlockWords
from gdbheap.analysis.objects.labels import Labels
from gdbheap.analysis.objects.lookup import Lookup, values_of
from gdbheap.errors import MemoryFault
from gdbheap.lazy import dataclass, np, regex
from gdbheap.process.columns.distinct import distinct
from gdbheap.process.memory import text_at
from gdbheap.types.confidence import Confidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Words in front of an object.
_HEADERS = (0, 2, 4, 6)
_NAME = regex(r"[A-Za-z_][A-Za-z0-9_.<>-]{0,199}")
# A type's type's type ... is `type`.
_MOST_METACLASSES = 6
_LARGEST = 1 << 20
# A count has so many bytes, also where a word has more.
_COUNT = 4
_MOST_COUNTED = 0x40_0000
_FOR_EVER = 0x3F00_0000
# A str has its characters right behind a part of its struct, in place of the rest of it; what tells a time without a
# zone has no room for one.
_SHORTER = {"str": 5, "datetime.datetime": 5, "datetime.time": 4}
# Where the words that are of interest lie: in a list its items, in a dict its keys (then its values).
_OWNED = {
    "list": ((3, "list's items"),),
    "dict": ((4, "dict's keys"), (5, "dict's values")),
    "set": ((5, "set's table"),),
}


@dataclass(frozen=True)
class PythonType:
    """`size` in bytes of an object without its items, `item` of each of these (0: it has none)."""

    name: str
    size: int
    item: int


class PythonObjects:
    """Names objects of CPython by their types' names, and the arrays of its containers."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._known: dict[int, PythonType | None] = {}
        # Types that a program makes lie in blocks; where there are any, there are some of the interpreter's own.
        self._has_python = any("python" in os.path.basename(each.path) for each in lookup.process.modules)

    def type_at(self, address: int) -> PythonType | None:
        """Return the type whose object lies at the address, None where none does."""
        if address not in self._known:
            self._known[address] = self._read(address)
        return self._known[address]

    def name(self, given: BlockWords, labels: Labels) -> None:
        """Name objects, whatever lies in front of them."""
        for header in _HEADERS:
            # (Hardly a block points there into a module: these are found first.)
            is_static = given.static[:, header + 1]
            self._name_by(_likely(given, header, np.flatnonzero(is_static)), header, given, labels)
            if self._has_python:
                self._name_by(_likely(given, header, np.flatnonzero(~is_static)), header, given, labels)

    def _name_by(self, likely: NDArray[np.intp], header: int, given: BlockWords, labels: Labels) -> None:
        """Name those of the likely rows that are objects, by the words that would be their types."""
        for address, rows in values_of(given.words[:, header + 1], likely):
            found = self.type_at(address)
            if found is not None:
                self._has_python = True
                self._name(found, header, given, rows, labels)

    def _name(self, kind: PythonType, header: int, given: BlockWords, rows: NDArray[np.intp], labels: Labels) -> None:
        pointer = given.pointer_size
        least = header * pointer + min(kind.size, _SHORTER.get(kind.name, _LARGEST) * pointer)
        rows = rows[given.size[rows] >= np.uint64(least)]
        # What has no items has its own size and no more, unless attributes lie behind it.
        fits = given.size[rows] < np.uint64(header * pointer + kind.size + 4 * pointer)
        sure = fits | (kind.item != 0) | (kind.name in _SHORTER)
        name = f"Python {kind.name}"
        labels.put(given.rows[rows[sure]], name, Confidence.CERTAIN)
        labels.put(given.rows[rows[~sure]], name, Confidence.LIKELY)
        for place, what in _OWNED.get(kind.name, ()):
            if header + place < given.words.shape[1]:
                owned = _blocks_at(given, given.words[rows, header + place])
                labels.put(owned, f"Python {what}", Confidence.LIKELY)

    def _read(self, address: int) -> PythonType | None:
        """Return the type, if what its words say fits, and its type's, up to `type`, whose type is itself."""
        words, size = self._lookup.process.words, self._lookup.process.pointer_size
        kind = address
        try:
            for _ in range(_MOST_METACLASSES):
                kind, before = words.read(kind + size), kind
                if kind == before:
                    break
                if not kind or kind % size:
                    return None
            else:
                return None
            if self._name_at(kind) != "type":
                return None
            name = self._name_at(address)
            basic, item = words.read_many(address + 4 * size, 2)
        except (MemoryFault, OverflowError):
            return None
        if not _NAME.fullmatch(name) or not 2 * size <= basic < _LARGEST or item >= _LARGEST:
            return None
        return PythonType(name, basic, item)

    def _name_at(self, address: int) -> str:
        process = self._lookup.process
        pointer = process.words.read(address + 3 * process.pointer_size)
        return text_at(process.memory, pointer, 200).decode("ascii", "replace")


def _likely(given: BlockWords, header: int, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return those of the rows that may have a count, and behind it a type."""
    count, kind = given.words[rows, header], given.words[rows, header + 1]
    likely = _may_be_count(count, given.pointer_size) & ~given.static[rows, header]
    found: NDArray[np.intp] = rows[likely & (kind % np.uint64(8) == 0) & (kind != 0)]
    return found


def _may_be_count(words: NDArray[np.uint64], pointer_size: int) -> NDArray[np.bool_]:
    """Return which words may count references: from 3.12 on a large number marks what lives for ever, from 3.14 on
    there are flags in the upper 16 bits. No program lies below _MOST_COUNTED: such a number is no address."""
    low = words & np.uint64(0xFFFF_FFFF)
    some: NDArray[np.bool_] = (low != 0) & (low < np.uint64(_MOST_COUNTED)) | (low >= np.uint64(_FOR_EVER))
    if pointer_size > _COUNT:
        some &= words >> np.uint64(32) & np.uint64(0xFFFF) == 0
    return some


def _blocks_at(given: BlockWords, words: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Return the blocks that begin where one of these words points."""
    start = given.blocks.start
    place = np.minimum(np.searchsorted(start, words), len(start) - 1)
    found: NDArray[np.intp] = distinct(place[start[place] == words])
    return found
