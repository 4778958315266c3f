"""The model on machines whose pages are larger than 4 KiB: what malloc and the kernel hand out in whole pages."""

from __future__ import annotations

import pytest

from gdbheap.model.image import process_of
from gdbheap.model.mapping import EXECUTE, READ, WRITE, AddressLimits, File
from gdbheap.model.mappings import ModelMappings
from gdbheap.model.touch import SEGV_ACCERR, SIGBUS, SIGSEGV, ModelPages
from gdbheap.model.traits import traits

SIZES = [0x1000, 0x4000, 0x10000]


@pytest.mark.parametrize("page_size", SIZES)
def test_the_heap_begins_and_ends_with_a_page(page_size):
    process = process_of(traits("2.36", 8), page_size=page_size)
    process.malloc(1)
    m = process.machine
    # malloc asks for the request, 128 KiB (M_TOP_PAD) and the least top, in whole pages.
    assert m.kernel.brk - m.parameter("sbrk_base") == -(-(0x20 + 0x20 + 0x20000) // page_size) * page_size
    assert m.kernel.brk % page_size == 0


@pytest.mark.parametrize("page_size", SIZES)
def test_a_large_block_is_mapped_in_whole_pages(page_size):
    process = process_of(traits("2.36", 8), page_size=page_size)
    mem = process.malloc(1 << 20)
    size = process.machine.size_of(mem - 16)
    assert size % page_size == 0
    assert 0 < size - (1 << 20) <= page_size
    assert process.machine.page_size == page_size


@pytest.mark.parametrize("page_size", SIZES)
def test_the_kernel_refuses_what_is_not_on_a_page(page_size):
    mappings = ModelMappings(AddressLimits(0x7FFF_0000_0000, page_size=page_size), 0x10_0000_0000, 0x10_0000_0000)
    place = mappings.mmap(1, READ | WRITE)
    assert isinstance(place, int)
    assert place % page_size == 0
    assert mappings.munmap(place + 0x800, 1) == "EINVAL"
    found = mappings.find(place)
    assert found is not None
    assert found.end - found.start == page_size


def test_only_an_x86_fetches_an_instruction_by_reading_the_page_first():
    """(aarch64's kernel 6.12, asked in a virtual machine: the page is not there afterwards.)"""
    mappings = ModelMappings(AddressLimits(0x7FFF_0000_0000), 0x10_0000_0000, 0x10_0000_0000)
    fresh, ended = mappings.mmap(0x1000, READ), mappings.mmap(0x1000, READ, file=File("empty", 0))
    assert isinstance(fresh, int) and isinstance(ended, int)
    x86, aarch64 = ModelPages(mappings), ModelPages(mappings, fetches_by_reading=False)
    assert x86.touch(ended, EXECUTE).signal == SIGBUS
    assert (aarch64.touch(ended, EXECUTE).signal, aarch64.touch(ended, EXECUTE).code) == (SIGSEGV, SEGV_ACCERR)
    assert [each.touch(fresh, EXECUTE).signal for each in (x86, aarch64)] == [SIGSEGV] * 2
    assert (fresh in x86.present, fresh in aarch64.present) == (True, False)
