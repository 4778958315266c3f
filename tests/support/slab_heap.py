"""An allocator that is not glibc's, as a Heap: slots of one size in one mapping, a bit for each that is in use. It has
no headers, no free lists and no arenas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from gdbheap.allocators.blocks import Blocks
from gdbheap.allocators.heap import IN_USE, HeapArea, HeapPart, HeapTop, Piece
from gdbheap.process.fault import Fault


@dataclass(frozen=True)
class SlabLayout:
    pointer_size: int = 8
    page_size: int = 0x1000
    alignment: int = 64
    header: int = 0
    min_size: int = 64


@dataclass(frozen=True)
class SlabHeap:
    """`used` has a flag for each slot of the mapping from `start` on."""

    start: int
    used: tuple[bool, ...]
    layout: SlabLayout = field(default_factory=SlabLayout)
    complete: bool = True
    notes: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()

    @property
    def slot(self) -> int:
        return self.layout.min_size

    @property
    def end(self) -> int:
        return self.start + self.slot * len(self.used)

    def blocks(self) -> Blocks:
        row = np.flatnonzero(self.used)
        start = np.uint64(self.start) + row.astype(np.uint64) * np.uint64(self.slot)
        return Blocks(start, start + np.uint64(self.slot), np.full(len(row), self.slot, np.uint64), row)

    def own_ranges(self) -> Iterable[tuple[int, int]]:
        return [(self.start, self.end)]

    def unread_ranges(self) -> Iterable[tuple[int, int]]:
        return []

    def areas(self, process) -> Iterable[HeapArea]:
        return [HeapArea(self.start, self.end, "slab", "slab", ("thread", 1))]

    def piece_at(self, address: int) -> Piece | None:
        if not self.start <= address < self.end:
            return None
        slot = (address - self.start) // self.slot
        start = self.start + slot * self.slot
        return Piece(start, start + self.slot, start, IN_USE if self.used[slot] else "free")

    def in_use(self, addresses):
        slot = (addresses - np.uint64(self.start)) // np.uint64(self.slot)
        inside = (addresses >= self.start) & (addresses < self.end)
        return inside & np.array(self.used)[np.where(inside, slot, 0).astype(np.intp)]

    def unwritten(self, blocks, head):
        return np.zeros(len(blocks), np.bool_)

    def parts(self) -> Iterable[HeapPart]:
        for name, used in ((IN_USE, True), ("free", False)):
            rows = np.flatnonzero(np.array(self.used) == used).astype(np.uint64)
            sizes = np.full(len(rows), self.slot, np.uint64)
            yield HeapPart(name, np.uint64(self.start) + rows * np.uint64(self.slot), sizes, not used)

    def tops(self, process, pages) -> Iterable[HeapTop]:
        return []

    def trim_threshold(self, process) -> int | None:
        return None

    def size_of(self, request: int) -> int:
        return self.slot

    def requests_of(self, size: int) -> range:
        return range(self.slot + 1)

    def largest_size_of(self, request: int) -> int:
        return self.size_of(request)

    def may_be_made_for(self, mem: int, request: int) -> bool:
        piece = self.piece_at(mem)
        return piece is not None and (piece.mem, piece.state) == (mem, IN_USE) and request <= self.slot

    def not_in_use(self) -> Mapping[str, int]:
        return {"free_bytes": self.slot * self.used.count(False)}
