"""What a signal's handler has left below the stack pointer: frames as x86-64 and i386 kernels make them, among words
that look like them and are none."""

from __future__ import annotations

import pytest

from gdbheap.machine.code import LeftFrame
from gdbheap.machine.x86.left_frames import left_frames, return_addresses
from gdbheap.machine.x86.machines import I386, X86_64
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.memory import ImageMemory
from gdbheap.process.process import Process

STACK, CODE, SIZE = 0x7FFE0000, 0x400000, 0x10000
TOP = STACK + SIZE - 0x1000  # of what is in use
AT, CAME_AT, CAME_WITH = TOP - 0xB00, CODE + 0x800, TOP + 0x200
# sigreturn and rt_sigreturn as the kernel's own pages and libc have them, and a call: what lies where in the code.
OF_64, OF_32, OF_32_INFORMED, CALL = 0x10, 0x20, 0x30, 0x100
TEXT = {
    OF_64: "48c7c00f0000000f05",
    OF_32: "58b877000000cd80",
    OF_32_INFORMED: "b8ad000000cd80",
    CALL: "e800010000",
}
# Registers in struct sigcontext, by the number of the word: sp, ip, flags, cs.
PLACES = {8: (15, 16, 17, 18), 4: (7, 14, 16, 15)}


def process(size, words):
    """A process with these words on its stack."""
    stack, code = bytearray(SIZE), bytearray(0x1000)
    for address, word in words.items():
        stack[address - STACK : address - STACK + size] = word.to_bytes(size, "little")
    for at, text in TEXT.items():
        code[at : at + len(text) // 2] = bytes.fromhex(text)
    space = AddressSpace(
        (VMA(CODE, CODE + 0x1000, "r-xp", 0, "", 0, "/bin/x"), VMA(STACK, STACK + SIZE, "rw-p", 0, "", 0, "[stack]"))
    )
    memory = ImageMemory([(STACK, bytes(stack)), (CODE, bytes(code))])
    return Process("core", X86_64 if size == 8 else I386, memory, space, ())


def frame(size, trampoline, context, came_with=CAME_WITH, came_at=CAME_AT, flags=0x246, selector=None):
    """Return the words of a handler's frame; of an i386 handler with siginfo its pointer to ucontext too."""
    selector = selector or {8: 0x2B000000000033, 4: 0x23}[size]
    values = zip(PLACES[size], (came_with, came_at, flags, selector))
    words = {AT: CODE + trampoline, **{AT + context + place * size: value for place, value in values}}
    return {**words, AT + 12: AT + context - 20} if trampoline == OF_32_INFORMED else words


KINDS = {"x86-64": (8, OF_64, 48), "i386": (4, OF_32, 8), "i386, with siginfo": (4, OF_32_INFORMED, 0xA0)}


@pytest.mark.parametrize(("size", "trampoline", "context"), KINDS.values(), ids=KINDS)
def test_a_frame_tells_where_its_signal_came(size, trampoline, context):
    found = list(left_frames(process(size, frame(size, trampoline, context)), TOP))
    assert found == [LeftFrame(AT, CAME_AT, CAME_WITH)]


@pytest.mark.parametrize(("size", "trampoline", "context"), KINDS.values(), ids=KINDS)
@pytest.mark.parametrize(
    "odd",
    [
        {"came_with": AT - 0x100},
        {"came_with": AT + 0x100000},
        {"came_at": STACK + 8},
        {"flags": 0},
        {"selector": 0x10},
    ],
    ids=str,
)
def test_a_frame_that_makes_no_sense_is_none(size, trampoline, context, odd):
    assert list(left_frames(process(size, frame(size, trampoline, context, **odd)), TOP)) == []


@pytest.mark.parametrize("pointer", [0, 8, STACK, STACK + 4, STACK + 0x100, 1 << 47, (1 << 64) - 8])
def test_a_stack_pointer_may_be_anything(pointer):
    assert list(left_frames(process(8, frame(8, OF_64, 48)), pointer)) == []


def test_return_addresses_are_what_lies_behind_a_call():
    words = {TOP - 8: CODE + CALL, TOP - 16: CODE + CALL + 5, TOP - 24: CODE + 0x900, TOP - 0x600: CODE + CALL + 5}
    assert list(return_addresses(process(8, words), TOP, 0x400)) == [CODE + CALL + 5]
