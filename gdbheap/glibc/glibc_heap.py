"""GlibcHeap: malloc's heap, as a Heap that does not tell whose it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from gdbheap.allocators.blocks import Blocks
from gdbheap.allocators.heap import HeapArea, HeapPart, HeapTop, Piece
from gdbheap.errors import HeapError
from gdbheap.glibc.areas import areas, own_ranges, unread_ranges
from gdbheap.glibc.chunk_table import FREE_STATES, IS_MMAPPED, MMAPPED_ARENA, PREV_INUSE, State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.sizes import request_to_size
from gdbheap.glibc.tops import read_tops
from gdbheap.glibc.unwritten import unwritten
from gdbheap.lazy import dataclass, np
from gdbheap.process.process import Process

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.process.live.resident_pages import ResidentPages


@dataclass(frozen=True)
class GlibcHeap(HeapView):
    """What malloc has, and (allocators/heap.py says what each is) how those see it who ask about blocks."""

    @classmethod
    def of(cls, view: HeapView) -> GlibcHeap:
        """Return the same heap as one."""
        return view if isinstance(view, GlibcHeap) else cls(**vars(view))

    def blocks(self) -> Blocks:
        table, layout = self.table, self.layout
        row = np.flatnonzero(table.state == State.IN_USE)
        address, size = table.address[row], table.size[row]
        # mirrors memsize(): the next chunk's prev_size is the block's, but an mmapped chunk has no next one (to glibc
        # 2.42; see usable_size)
        end = address + size
        end += np.uint64(layout.pointer_size)
        if not layout.mmapped_overhead:
            end[table.flags[row] & IS_MMAPPED != 0] -= np.uint64(layout.pointer_size)
        address += np.uint64(layout.header)
        return Blocks(address, np.maximum(end, address, out=end), size, row)

    def own_ranges(self) -> Iterable[tuple[int, int]]:
        return own_ranges(self)

    def unread_ranges(self) -> Iterable[tuple[int, int]]:
        return unread_ranges(self)

    def areas(self, process: Process) -> Iterable[HeapArea]:
        return areas(process, self)

    def piece_at(self, address: int) -> Piece | None:
        chunk = self.chunk_at(address)
        if chunk is None:
            return None
        return Piece(chunk.address, chunk.end, chunk.address + self.layout.header, chunk.state.label)

    def in_use(self, addresses: NDArray[np.uint64]) -> NDArray[np.bool_]:
        # mirrors user_of(), for many at once
        table = self.table
        row = np.maximum(np.searchsorted(table.address, addresses, side="right") - 1, 0)
        within = addresses - table.address[row]
        inside = (addresses >= table.address[row]) & (within < table.size[row])
        of_previous = (within < np.uint64(self.layout.pointer_size)) & (table.flags[row] & PREV_INUSE != 0) & (row > 0)
        before = np.maximum(row - 1, 0)
        touching = table.address[before] + table.size[before] == table.address[row]
        in_use: NDArray[np.bool_] = inside & (
            table.state[np.where(of_previous & touching, before, row)] == State.IN_USE
        )
        return in_use

    def unwritten(self, blocks: Blocks, head: NDArray[np.uint64]) -> NDArray[np.bool_]:
        return unwritten(self, blocks, head)

    def parts(self) -> Iterable[HeapPart]:
        table = self.table
        mapped = table.arena == MMAPPED_ARENA
        masks = {
            "in_use": (table.state == State.IN_USE) & ~mapped,
            "mmapped_in_use": mapped,
            **{state.label: table.state == state for state in sorted(FREE_STATES)},
            "top": table.state == State.TOP,
            "malloc_own": np.isin(table.state, (State.MALLOC_OWNED, State.FENCEPOST, State.UNKNOWN)),
        }
        free = {state.label for state in FREE_STATES}
        for name, mask in masks.items():
            yield HeapPart(name, table.address[mask], table.size[mask], name in free)

    def tops(self, process: Process, pages: ResidentPages | None) -> Iterable[HeapTop]:
        return read_tops(process, self, pages)

    def trim_threshold(self, process: Process) -> int | None:
        layout = self.layout
        if layout.mp is None or layout.malloc_par is None:
            return None
        try:
            return layout.malloc_par.read(process.memory, layout.mp.value).get("trim_threshold")
        except HeapError:
            return None

    def size_of(self, request: int) -> int:
        return request_to_size(request, self.layout)

    def requests_of(self, size: int) -> range:
        # Those of mappings of their own get other sizes.
        layout = self.layout
        end = size - layout.header + layout.pointer_size + 1
        return range(0 if size == layout.min_size else max(end - layout.alignment, 0), end)

    def largest_size_of(self, request: int) -> int:
        # What is too little for a chunk is not split off.
        return self.size_of(request) + self.layout.min_size - self.layout.alignment

    def may_be_made_for(self, mem: int, request: int) -> bool:
        # A chunk may have what was too little to split off; one with a mapping of its own is rounded up to a page.
        layout = self.layout
        chunk = self.chunk_at(mem - layout.header)
        if chunk is None or chunk.state is not State.IN_USE or chunk.address + layout.header != mem:
            return False
        return 0 <= chunk.size - self.size_of(request) < (2 * layout.page_size if chunk.is_mmapped else layout.min_size)

    def not_in_use(self) -> Mapping[str, int]:
        table = self.table
        free = np.isin(table.state, [int(state) for state in FREE_STATES])
        return {
            "free_bytes": int(table.size[free].sum()),
            "top_bytes": int(table.size[table.state == State.TOP].sum()),
        }
