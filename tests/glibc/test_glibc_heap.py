"""What glibc's heap says of sizes and requests to those who know no allocator."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from gdbheap.glibc.chunk_table import State
from gdbheap.glibc.glibc_heap import GlibcHeap

LAYOUT = SimpleNamespace(pointer_size=8, alignment=16, min_size=0x20, header=0x10, page_size=0x1000)
# glibc's request2size: 8 bytes of overhead, whole multiples of 16, 32 at least.
TAKES = {request: max((request + 8 + 15) // 16 * 16, 0x20) for request in range(0x200)}


class Small(GlibcHeap):
    """One chunk in use, at 0x1000."""

    def __init__(self, size, is_mmapped=False):
        chunk = SimpleNamespace(address=0x1000, size=size, state=State.IN_USE, is_mmapped=is_mmapped)
        object.__setattr__(self, "layout", LAYOUT)
        object.__setattr__(self, "chunk", chunk)

    def chunk_at(self, address):
        return self.chunk if 0 <= address - 0x1000 < self.chunk.size else None


def test_a_request_takes_what_glibc_gives_it():
    assert {request: Small(0x20).size_of(request) for request in TAKES} == TAKES


def test_the_requests_that_a_chunk_serves_are_those_that_take_its_size():
    for size in range(0x20, 0x200, 0x10):
        assert [*Small(0x20).requests_of(size)] == [request for request, takes in TAKES.items() if takes == size]


@pytest.mark.parametrize(
    ("heap", "mem", "request_size", "may"),
    [
        (Small(0x40), 0x1010, 0x38, True),
        (Small(0x40), 0x1010, 0x28, True),  # what was left, 0x10 bytes, is no chunk
        (Small(0x40), 0x1010, 0x18, False),  # 0x20 bytes more are a chunk of their own
        (Small(0x40), 0x1010, 0x39, False),
        (Small(0x40), 0x1020, 0x38, False),
        (Small(0x40), 0x2010, 0x38, False),
        (Small(0x22000, is_mmapped=True), 0x1010, 0x21000, True),  # whole pages
    ],
)
def test_a_block_in_use_may_be_the_one_that_a_call_made(heap, mem, request_size, may):
    assert heap.may_be_made_for(mem, request_size) is may
