"""What only aarch64's code tells: refusals, calls, the kernel's frame for a signal handler."""

from __future__ import annotations

import struct

import pytest

from gdbheap.machine.aarch64.code import CODE
from gdbheap.machine.code import HandlerFrame, KeptSignal
from gdbheap.process.memory import ImageMemory, Words

AT = 0x7FFE0000
REFUSALS = {
    "udf\t#0": "no_instruction",
    ".inst\t0xffffffff ; undefined": "no_instruction",
    "udf\t#7": "no_instruction",
    "brk\t#0x3e8": "compiler_trap",
    "brk\t#0x1": "compiler_trap",
    "brk\t#0x5512": "compiler_trap",
    "brk\t#0x0": None,
    "hvc\t#0x0": "kernel_or_hypervisor_only",
    "eret": "kernel_or_hypervisor_only",
    "tlbi\tvmalle1": "kernel_or_hypervisor_only",
    "dc\tisw, x0": "kernel_or_hypervisor_only",
    "dc\tzva, x0": None,
    "mrs\tx0, sctlr_el1": "kernel_or_hypervisor_only",
    "mrs\tx0, midr_el1": None,
    "mrs\tx0, id_aa64isar0_el1": None,
    "mrs\tx0, tpidr_el0": None,
    "msr\tdaifset, #0xf": "kernel_or_hypervisor_only",
    "ldr\tx0, [x1]": None,
}


@pytest.mark.parametrize("text", REFUSALS)
def test_what_the_processor_refuses_to_programs(text):
    found = CODE.refusal(CODE.decode(text, {}), {})
    assert (None if found is None else found.why.value) == REFUSALS[text]


@pytest.mark.parametrize(
    ("word", "is_call"),
    [
        (0x94000000, True),  # bl
        (0x97FFFFFF, True),
        (0xD63F0100, True),  # blr x8
        (0xD63F093F, True),  # blraaz x9
        (0xD73F0A11, True),  # blraa x16, x17
        (0x14000000, False),  # b
        (0xD61F0220, False),  # br x17
        (0xD65F03C0, False),  # ret
    ],
)
def test_calls_by_their_bytes(word, is_call):
    assert CODE.ends_with_call(word.to_bytes(4, "little")) == is_call


def frame(address=0, syndrome=None, stack=(0, 0)):
    """struct rt_sigframe as arm64's kernel lays it out."""
    context = struct.pack("<QQQQQ", 0, 0, stack[0], 0, stack[1]).ljust(176, b"\0")
    context += struct.pack("<Q", address) + bytes(8 * 34)
    records = struct.pack("<II", 0x46508001, 528).ljust(528, b"\0")
    records += b"" if syndrome is None else struct.pack("<IIQ", 0x45535201, 16, syndrome)
    return bytes(128) + context + bytes(8) + records.ljust(4096, b"\0")


def kept(**told):
    return CODE.kept_signal(ImageMemory([(AT, frame(**told))]), AT, "__kernel_rt_sigreturn")


def test_the_frame_tells_the_alternate_stack():
    words = Words(ImageMemory([(AT, frame(stack=(0x5000, 0x10000)))]), 8)
    assert CODE.handler_frame(words, AT) == HandlerFrame(None, (0x5000, 0x15000))
    assert CODE.handler_frame(Words(ImageMemory([(AT, frame())]), 8), AT) == HandlerFrame()
    assert CODE.handler_frame(Words(ImageMemory([(AT, bytes(16))]), 8), AT) == HandlerFrame()


def test_the_syndrome_tells_a_fault_of_the_program():
    # Aborts of data (0x24) and of an instruction (0x20) from a program: a translation (0x04 to 0x07), a permission
    # (0x0c to 0x0f); an alignment (0x21) is another story.
    assert kept(address=0x10, syndrome=0x24 << 26 | 0x46) == KeptSignal(AT, 0x10, False)
    assert kept(address=0x10, syndrome=0x24 << 26 | 0x4F) == KeptSignal(AT, 0x10, True)
    assert kept(address=0x10, syndrome=0x20 << 26 | 0x0F) == KeptSignal(AT, 0x10, True)
    assert kept(address=0x10, syndrome=0x24 << 26 | 0x21) == KeptSignal(AT)
    assert kept(address=0x10, syndrome=0x15 << 26) == KeptSignal(AT)
    assert kept() == KeptSignal(AT)
