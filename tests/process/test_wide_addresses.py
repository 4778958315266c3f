"""Addresses beyond those that programs get without asking (x86-64 with five levels of page tables, aarch64 with 52
bits): they exist where the process has a mapping up there, and nowhere else."""

from __future__ import annotations

import pytest

from gdbheap.machine.aarch64.machines import AARCH64
from gdbheap.machine.x86.machines import I386, X86_64
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.memory import ImageMemory
from gdbheap.process.process import Process

HEAP = VMA(0x555555554000, 0x555555575000, "rw-p", path="[heap]")
HEAP_39 = VMA(0x55_5555_4000, 0x55_5557_5000, "rw-p")
WIDE = VMA(0x00F0_0000_0000_0000, 0x00F0_0000_0010_0000, "rw-p")
VSYSCALL = VMA(0xFFFF_FFFF_FF60_0000, 0xFFFF_FFFF_FF60_1000, "--xp", path="[vsyscall]")


def process(machine, *vmas):
    return Process("core", machine, ImageMemory([]), AddressSpace(vmas), ())


@pytest.mark.parametrize(
    ("address", "without", "with_wide"),
    [
        (0x7FFF_FFFF_FFFF, True, True),
        (0x8000_0000_0000, False, True),
        (0x00F0_0000_0020_0000, False, True),
        (0x00FF_FFFF_FFFF_FFFF, False, True),
        (0x0100_0000_0000_0000, False, False),
        (0x4141_4141_4141_4141, False, False),
        (0xFFFF_8000_0000_0000, True, True),
    ],
)
def test_what_lies_beyond_47_bits_exists_where_the_process_has_asked_for_it(address, without, with_wide):
    assert process(X86_64, HEAP, VSYSCALL).is_canonical(address) == without
    assert process(X86_64, HEAP, WIDE, VSYSCALL).is_canonical(address) == with_wide


def test_how_many_bits_there_are_is_told_by_what_is_mapped():
    wide = VMA(0x000F_0000_0000_0000, 0x000F_0000_0001_0000, "rw-p")
    assert [process(X86_64, *vmas).address_bits for vmas in ([HEAP, VSYSCALL], [HEAP, WIDE, VSYSCALL])] == [47, 56]
    assert [process(AARCH64, *vmas).address_bits for vmas in ([HEAP], [HEAP, wide])] == [48, 52]
    assert process(I386, VMA(0, 0x1000, "r--p"), VMA(0xFFFF_E000, 0xFFFF_F000, "rw-p")).address_bits == 32


def test_a_kernel_with_fewer_bits_is_told_by_where_the_stack_lies():
    """(39 bits with pages of 4 KiB, 42 with 64 KiB: Documentation/arch/arm64/memory.rst. Of x86 there is none.)"""
    stacks = [VMA(end - 0x41000, end - 0x1F000, "rw-p") for end in (1 << 39, 1 << 42, 1 << 48)]
    assert [process(AARCH64, HEAP_39, each).address_bits for each in stacks] == [39, 42, 48]
    of_39 = process(AARCH64, HEAP_39, stacks[0])
    assert of_39.is_canonical(0x5A00_0055_5555_5000)  # a tag is no part of it
    assert not of_39.is_canonical(0x80_0000_0000)
    assert of_39.is_canonical(0xFFFF_FF80_0000_0000)  # the kernel's
    assert process(X86_64, HEAP, VMA(0x7FFF_FFFD_E000, 0x7FFF_FFFF_F000, "rw-p")).address_bits == 47


def test_52_bits_of_aarch64_are_as_many_as_are_mapped():
    wide = VMA(0x000F_0000_0000_0000, 0x000F_0000_0001_0000, "rw-p")
    assert not process(AARCH64, HEAP).is_canonical(0x000F_0000_0002_0000)
    assert process(AARCH64, HEAP, wide).is_canonical(0x000F_0000_0002_0000)
    assert process(AARCH64, HEAP, wide).is_canonical(0x5A0F_0000_0002_0000)  # a tag is no part of it
    assert process(I386, HEAP).is_canonical(0xFFFF_FFFF)
