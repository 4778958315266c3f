"""How large a page is: as the auxiliary vector tells, where that makes sense."""

from __future__ import annotations

import pytest

from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.address_space import AddressSpace
from gdbheap.process.images.auxv import AT_PAGESZ
from gdbheap.process.memory import ImageMemory
from gdbheap.process.process import Process

KIBI = 1 << 10


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ({}, 4 * KIBI),
        ({AT_PAGESZ: 4 * KIBI}, 4 * KIBI),
        ({AT_PAGESZ: 16 * KIBI}, 16 * KIBI),
        ({AT_PAGESZ: 64 * KIBI}, 64 * KIBI),
        # What an overwritten vector may hold.
        ({AT_PAGESZ: 0}, 4 * KIBI),
        ({AT_PAGESZ: 1}, 4 * KIBI),
        ({AT_PAGESZ: 12 * KIBI}, 4 * KIBI),
        ({AT_PAGESZ: 1 << 40}, 4 * KIBI),
    ],
)
def test_the_process_tells_its_page_size(told, wanted):
    process = Process("core", X86_64, ImageMemory([]), AddressSpace(()), (), auxv=told)
    assert process.page_size == wanted


@pytest.mark.parametrize(
    ("address", "start", "after"), [(0, 0, 0), (1, 0, 0x4000), (0x4000, 0x4000, 0x4000), (0x7FFF, 0x4000, 0x8000)]
)
def test_addresses_are_rounded_to_pages(address, start, after):
    process = Process("core", X86_64, ImageMemory([]), AddressSpace(()), (), auxv={AT_PAGESZ: 16 * KIBI})
    assert (process.page_of(address), process.page_after(address)) == (start, after)
