"""GObjects and other instances of GLib's types: an instance's first word leads to its class, whose first word is the
type: a node that lists its ancestors, itself first (gobject/gtype.c: struct _TypeNode, 2.66 to 2.86).

An instance's private data lie in front of it in its block, which is as large as both together: the type's data tell
these sizes (struct _InstanceData). So whatever else points to a class (the type's data, an interface's table, a slab of
instances) is no instance. A type's name is a quark: a number in a table of texts that libglib's data lead to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdbheap.analysis.objects.block_words import WORDS, BlockWords
from gdbheap.analysis.objects.labels import Labels
from gdbheap.analysis.objects.lookup import Lookup, values_of
from gdbheap.errors import MemoryFault
from gdbheap.lazy import dataclass, np, regex
from gdbheap.process.memory import WORD_FORMATS, text_at
from gdbheap.types.confidence import Confidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NAME = regex(r"[A-Za-z_][A-Za-z0-9_+-]{1,199}")
# Words of a node up to the list of its ancestors; one of these holds the quark.
_BEFORE_ANCESTORS = 14
_FEWEST_WORDS = 6
# Words of a type's data in which its class is, and behind that the sizes.
_DATA = 12
# Fundamental types are numbers below this, shifted by 2.
_MOST_FUNDAMENTAL = 255 << 2
_QUARKS_PER_BLOCK = 2048
_MOST_QUARKS = 1 << 20
# libglib's writable data are smaller.
_MOST_DATA = 1 << 20


@dataclass(frozen=True)
class _Class:
    """A type of instances: its name, and the bytes of an instance and of the private data in front of it."""

    name: str
    size: int
    private: int


class GObjects:
    """Names instances by their types' names."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._present = any("libgobject-2.0" in module.path for module in lookup.process.modules)
        self._quarks: tuple[int, ...] | None = None
        self._known: dict[int, _Class | None] = {}

    def name(self, given: BlockWords, labels: Labels) -> None:
        """Name the blocks that hold an instance, whatever private data lie in front of it."""
        if not self._present:
            return
        pointer = given.pointer_size
        inside = _point_to_starts(given)
        for column in range(WORDS - 1):
            for address, rows in values_of(given.words[:, column], np.flatnonzero(inside[:, column])):
                found = self._class_at(address)
                if found is not None and found.private == column * pointer:
                    # What malloc gives is rounded up to two words, and four words at least.
                    more = given.size[rows].astype(np.int64) - found.private - found.size
                    fitting = rows[(more >= 0) & (more < 4 * pointer)]
                    labels.put(given.rows[fitting], found.name, Confidence.LIKELY)

    def _class_at(self, address: int) -> _Class | None:
        if address not in self._known:
            try:
                self._known[address] = self._read(address)
            except (MemoryFault, OverflowError):
                self._known[address] = None
        return self._known[address]

    def _read(self, address: int) -> _Class | None:
        """Return the type that the class at the address is of; None where none is there."""
        words, size = self._lookup.process.words, self._lookup.process.pointer_size
        node = words.read(address)
        if not node or node % size:
            return None
        before = words.read_many(node, _BEFORE_ANCESTORS).tolist()
        # A class's own words that lead to itself are no node's: the ancestors end with a fundamental type.
        if node == address or node not in before[_FEWEST_WORDS:]:
            return None
        place = before.index(node, _FEWEST_WORDS)
        fundamental = next((each for each in words.read_many(node + place * size, 64) if each <= _MOST_FUNDAMENTAL), 0)
        # (ref_count, plugin, counts of children and ancestors, children, data, quark.)
        data, quark = before[4:6] if size == 8 else before[5:7]
        name = self._quark_name(quark & 0xFFFF_FFFF) if fundamental else ""
        if not name or not data or data % size:
            return None
        told = words.read_many(data, _DATA).tolist()
        if address not in told[:-1]:
            return None
        sizes = told[told.index(address) + 1]
        return _Class(name, sizes & 0xFFFF, sizes >> 16 & 0xFFFF)

    def _quark_name(self, quark: int) -> str:
        quarks = self._quark_table()
        if not 0 < quark < len(quarks):
            return ""
        text = text_at(self._lookup.process.memory, quarks[quark], 200).decode("ascii", "replace")
        return text if _NAME.fullmatch(text) else ""

    def _quark_table(self) -> tuple[int, ...]:
        if self._quarks is None:
            self._quarks = max(self._tables(), key=len, default=())
        return self._quarks

    def _tables(self) -> Iterator[tuple[int, ...]]:
        """Yield what could be the table: nothing, then texts one after the other."""
        process = self._lookup.process
        size = process.pointer_size
        for module in process.modules:
            if "libglib-2.0" not in module.path:
                continue
            for segment in module.segments:
                if "w" not in segment.permissions or segment.end - segment.start > _MOST_DATA:
                    continue
                start = -(-segment.start // size) * size
                try:
                    data = process.memory.read(start, (segment.end - start) // size * size)
                except MemoryFault:
                    continue
                for word in set(memoryview(data).cast(WORD_FORMATS[size])):
                    yield from self._table_at(word)

    def _table_at(self, address: int) -> Iterator[tuple[int, ...]]:
        process = self._lookup.process
        size = process.pointer_size
        if not address or address % size or self._lookup.is_static(address):
            return
        found: list[int] = []
        try:
            while len(found) < _MOST_QUARKS:
                piece = process.words.read_many(address + len(found) * size, _QUARKS_PER_BLOCK).tolist()
                if not found and (piece[0] or not piece[1] or not self._is_text(piece[1])):
                    return
                found += piece
                if not piece[-1]:
                    break
        except (MemoryFault, OverflowError):
            pass
        end = next((at for at in range(1, len(found)) if not found[at]), len(found))
        if end > 8 and all(self._is_text(each) for each in found[1:8]):
            yield tuple(found[:end])

    def _is_text(self, address: int) -> bool:
        text = text_at(self._lookup.process.memory, address, 200) if address else b""
        return len(text) > 1 and all(0x20 < octet < 0x7F for octet in text)


def _point_to_starts(given: BlockWords) -> NDArray[np.bool_]:
    """Return which words point to the start of a block: classes are blocks."""
    start = given.blocks.start
    if not len(start):
        return np.zeros(given.words.shape, np.bool_)
    place = np.minimum(np.searchsorted(start, given.words), len(start) - 1)
    found: NDArray[np.bool_] = start[place] == given.words
    return found
