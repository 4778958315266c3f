"""A saved stack pointer is told by the return addresses near it: what a call's instruction ends right before."""

from __future__ import annotations

import numpy as np
import pytest

from gdbheap.analysis.leaks.saved_stacks import SavedStacks
from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.memory import ImageMemory
from gdbheap.process.process import Process
from support.made_graph import BASE, blocks_of

CODE = 0x4000_0000
STACK = 0x4000
SAVED = STACK - 0x800

# What lies right before the address that the stack has, as an assembler makes it, and whether that is a call.
ENDINGS = {
    "call rel32": (b"\x90\x90\xe8\x10\x00\x00\x00", True),
    "call *%rax": (b"\x90\x90\x90\x90\x90\xff\xd0", True),
    "call *%r12": (b"\x90\x90\x90\x90\x41\xff\xd4", True),
    "call *(%rbx)": (b"\x90\x90\x90\x90\x90\xff\x13", True),
    "call *8(%rbx)": (b"\x90\x90\x90\x90\xff\x53\x08", True),
    "call *8(%rsp)": (b"\x90\x90\x90\xff\x54\x24\x08", True),
    "call *0x100(%rbx)": (b"\x90\xff\x93\x00\x01\x00\x00", True),
    "call *got(%rip)": (b"\x90\xff\x15\x00\x01\x00\x00", True),
    "call *0x100(%rsp)": (b"\xff\x94\x24\x00\x01\x00\x00", True),
    "jmp rel32": (b"\x90\x90\xe9\x10\x00\x00\x00", False),
    "push 8(%rsp)": (b"\x90\x90\x90\xff\x74\x24\x08", False),
    "a function's start": (b"\x00\x00\x00\x00\x00\xc3\x90", False),
}


def saved(words: dict[int, int], ending: bytes = b"", offset: int = SAVED, code_is_readable: bool = True) -> bool:
    """Return whether a pointer to the offset in a block of STACK bytes that holds these words is a saved stack
    pointer."""
    stack = bytearray(STACK)
    for place, value in words.items():
        stack[place : place + 8] = value.to_bytes(8, "little")
    code = bytearray(0x1000)
    code[0x100 - len(ending) : 0x100] = ending
    pieces = [(BASE, bytes(stack))] + ([(CODE, bytes(code))] if code_is_readable else [])
    space = AddressSpace([VMA(CODE, CODE + 0x1000, "r-xp"), VMA(BASE, BASE + STACK, "rw-p")])
    process = Process("live", X86_64, ImageMemory(pieces), space, ())
    stacks = SavedStacks(process, blocks_of([(0, STACK)]))
    return bool(stacks.saved(np.array([0], np.int32), np.array([offset], np.uint64))[0])


@pytest.mark.parametrize("name", ENDINGS)
def test_a_call_is_known_by_its_instruction(name):
    ending, is_call = ENDINGS[name]
    assert saved({SAVED + 0x40: CODE + 0x100}, ending) == is_call


def test_the_return_address_may_lie_right_below_and_must_not_lie_far_above():
    ending = ENDINGS["call rel32"][0]
    assert saved({SAVED - 8: CODE + 0x100}, ending)
    assert not saved({SAVED + 0x400: CODE + 0x100}, ending)
    assert not saved({}, ending)


def test_a_list_of_return_addresses_is_no_stack():
    assert not saved({SAVED + 8 * index: CODE + 0x100 for index in range(-1, 39)}, ENDINGS["call rel32"][0])


def test_a_context_that_was_never_entered_lies_at_the_end_and_holds_addresses_of_functions():
    words = {STACK - 0x40: CODE + 0x200, STACK - 0x30: CODE + 0x300}
    assert saved(words, offset=STACK - 0x60)
    assert not saved({STACK - 0x40: CODE + 0x200}, offset=STACK - 0x60)
    assert not saved({SAVED: CODE + 0x200, SAVED + 8: CODE + 0x300})


def test_where_the_code_cannot_be_read_an_address_in_it_is_enough():
    assert saved({SAVED + 0x40: CODE + 0x100}, code_is_readable=False)
