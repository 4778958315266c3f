"""C++ objects by their vtables, wherever in a block they lie."""

from __future__ import annotations

from gdbheap.analysis.objects.block_words import WORDS, BlockWords
from gdbheap.analysis.objects.labels import Labels
from gdbheap.analysis.objects.lookup import Lookup, values_of
from gdbheap.errors import MemoryFault
from gdbheap.lazy import dataclass, np
from gdbheap.types.confidence import Confidence

# No part of an object lies further from its start.
_LARGEST = 1 << 24


@dataclass(frozen=True)
class VTable:
    """A class's vtable, or a part of it: objects of the class `name` have it `offset` bytes from their start."""

    name: str
    offset: int


class CxxClasses:
    """Names a block after the object at its start; one with an object further on tells which, and where."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._known: dict[int, VTable | None] = {}

    def vtable(self, address: int) -> VTable | None:
        """Return which vtable an object's word points to; None where it points to none."""
        if address not in self._known:
            self._known[address] = self._read(address)
        return self._known[address]

    def name(self, given: BlockWords, labels: Labels) -> None:
        """Name the blocks that begin with an object, and arrays that new[] made."""
        for address, rows in values_of(given.column(0), np.flatnonzero(given.static[:, 0])):
            vtable = self.vtable(address)
            if vtable is not None:
                labels.put(given.rows[rows], vtable.name, Confidence.CERTAIN)
        # Objects with destructors have their number in front, as new[] wrote it.
        size, count = given.pointer_size, given.column(0)
        room = given.size // np.uint64(size)
        counted = given.static[:, 1] & (count > np.uint64(0)) & (count < room)
        for address, rows in values_of(given.column(size), np.flatnonzero(counted)):
            vtable = self.vtable(address)
            if vtable is not None and vtable.offset == 0:
                labels.put(given.rows[rows], f"{vtable.name}[]", Confidence.LIKELY)

    def name_parts(self, given: BlockWords, labels: Labels) -> None:
        """Tell of the others which object lies in them, and where: what is left of an old one looks the same."""
        for column in range(1, WORDS):
            place = column * given.pointer_size
            for address, rows in values_of(given.column(place), np.flatnonzero(given.static[:, column])):
                vtable = self.vtable(address)
                if vtable is not None and vtable.offset <= place:
                    start = place - vtable.offset
                    what = f"[..., {vtable.name} at +{start:#x}]" if start else vtable.name
                    labels.put(given.rows[rows], what, Confidence.POSSIBLE if start else Confidence.LIKELY)

    def _read(self, address: int) -> VTable | None:
        size = self._lookup.process.pointer_size
        if address % size or self._lookup.is_code(address):
            return None
        symbol = self._lookup.symbol(address)
        if symbol is None or not symbol.class_name:
            return None
        try:
            top = self._lookup.process.words.read(address - 2 * size)
        except (MemoryFault, OverflowError):
            top = 0
        # What is added to a part's address to come to the start of the object: 0 or less.
        offset = -top % (1 << 8 * size)
        # (A symbol of a versioned library may carry its version: "X@GLIBCXX_3.4.28".)
        name = symbol.class_name.partition("@")[0]
        return VTable(name, offset if offset < _LARGEST else 0)
