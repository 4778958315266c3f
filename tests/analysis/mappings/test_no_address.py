"""What `explain` and `vmmap` say of a number that is no address is by the bits that the process's addresses have."""

from __future__ import annotations

import pytest

from gdbheap.analysis.addresses.explain import Names, explain
from gdbheap.analysis.mappings.address_facts import facts_between
from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.memory import ImageMemory
from gdbheap.process.process import Process
from gdbheap.sentences.facts.said import said

HEAP = VMA(0x555555554000, 0x555555575000, "rw-p", path="[heap]")
WIDE = VMA(0x00F0_0000_0000_0000, 0x00F0_0000_0010_0000, "rw-p")
NOBODY = Names(lambda _: None, lambda *_: None)


@pytest.mark.parametrize(
    ("vmas", "bits"),
    [
        ([HEAP], "bits 48 to 63 must equal bit 47"),
        ([HEAP, WIDE], "bits 57 to 63 must equal bit 56"),
    ],
)
def test_the_bits_are_those_of_the_process(vmas, bits):
    process = Process("core", X86_64, ImageMemory([]), AddressSpace(vmas), ())
    address = 0x4141_4141_4141_4141
    told = [said(each.meaning) for each in explain(process, None, address, NOBODY) if each.meaning]
    assert any(bits in each for each in told)
    wide = bits.split()[1]
    assert f"no x86-64 address with {wide} bits" in said(facts_between(None, None, address, process)[0])
