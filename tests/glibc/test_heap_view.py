"""HeapView: where a free chunk is."""

from __future__ import annotations

from gdbheap.glibc.chunk_table import ChunkTable
from gdbheap.glibc.heap_view import Bin, BinPlace, HeapView
from gdbheap.glibc.layout import Layout, Located
from gdbheap.lazy import np
from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.cstruct import CStruct


def test_a_chunk_has_the_place_of_the_first_list_that_holds_it():
    def make(kind, *chunks):
        return Bin(kind, 0, None, 1, 32, 32, chunks)

    bins = (make("tcache"), make("tcache", 0x10, 0x20), make("fastbin"), make("unsorted", 0x30, 0x20), make("large"))
    struct = CStruct("nothing", 0, {})
    nothing = ChunkTable(*(np.empty(0, kind) for kind in (np.uint64, np.uint64, np.uint8, np.uint8, np.uint16)))
    view = HeapView(Layout(X86_64, 16, struct, struct, Located(0, "symbol")), (), nothing, bins, ())
    assert [view.place_of(address) for address in (0x10, 0x20, 0x30, 0x40)] == [
        BinPlace(bins[1], 0),
        BinPlace(bins[1], 1),
        BinPlace(bins[3], 0),
        None,
    ]
