"""Tunables in the environment on the initial stack, and what `heap predict` refuses for one of them."""

from __future__ import annotations

import pytest

from gdbheap.analysis.prediction.state import refuse_tags
from gdbheap.errors import HeapError
from gdbheap.machine.aarch64.machines import AARCH64
from gdbheap.machine.machine import Machine
from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.environment import tunable
from gdbheap.process.memory import ImageMemory
from gdbheap.process.process import Process

STACK, SIZE, EXECFN, HWCAP2, MTE = 0x7FFE0000, 0x1000, 31, 26, 1 << 18


def process(*variables: str, machine: Machine = AARCH64, hwcap2: int = MTE) -> Process:
    """Return a process whose stack ends with these variables and the name of its program."""
    strings = b"".join(each.encode() + b"\0" for each in variables)
    name = STACK + SIZE - 0x100
    image = (b"\0" * (SIZE - 0x100 - len(strings)) + strings + b"/bin/x\0").ljust(SIZE, b"\0")
    space = AddressSpace((VMA(STACK, STACK + SIZE, "rw-p", path="[stack]"),))
    return Process("core", machine, ImageMemory([(STACK, image)]), space, (), auxv={EXECFN: name, HWCAP2: hwcap2})


# As strtoul(3) reads a number: by its first digits.
SET = {
    "GLIBC_TUNABLES=glibc.malloc.perturb=23": 23,
    "GLIBC_TUNABLES=glibc.mem.tagging=1:glibc.malloc.perturb=0x17": 23,
    "GLIBC_TUNABLES=glibc.malloc.perturb=027": 23,
    "GLIBC_TUNABLES=glibc.malloc.perturb=0": 0,
    "GLIBC_TUNABLES=glibc.malloc.perturb=09": None,
    "MALLOC_PERTURB_=23": 23,
    "X=MALLOC_PERTURB_=23": None,
    "GLIBC_TUNABLES=glibc.malloc.arena_max=1": None,
}


@pytest.mark.parametrize("variable", SET)
def test_a_number_in_the_environment(variable: str) -> None:
    assert tunable(process("A=1", variable, "B=2"), "glibc.malloc.perturb", "MALLOC_PERTURB_") == SET[variable]


def test_no_environment() -> None:
    assert tunable(Process("core", X86_64, ImageMemory([]), AddressSpace(()), ()), "glibc.malloc.perturb") is None


@pytest.mark.parametrize("asked", [1, 3])
def test_tagged_blocks_are_not_predicted(asked: int) -> None:
    """(The lowest bit of glibc.mem.tagging has malloc tag blocks; 24 bytes are then two whole granules, 32.)"""
    told = f"GLIBC_TUNABLES=glibc.mem.tagging={asked}"
    with pytest.raises(
        HeapError, match=rf"^cannot predict: malloc tags its blocks here \(glibc\.mem\.tagging={asked}\)"
    ):
        refuse_tags(process(told))
    refuse_tags(process(told, hwcap2=0))
    refuse_tags(process(told, machine=X86_64))
    refuse_tags(process("GLIBC_TUNABLES=glibc.mem.tagging=2"))
    refuse_tags(process("A=1"))
