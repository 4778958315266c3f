"""Return addresses that bear a signature (PAC), as aarch64's processors put it into the bits from the end of the
kernel's addresses up to bit 54, and a handler's frame whose trampoline nothing describes."""

from __future__ import annotations

import pytest

from gdbheap.machine.aarch64.machines import AARCH64
from gdbheap.machine.machine import Machine
from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.memory import ImageMemory
from gdbheap.process.process import Process, Thread
from gdbheap.process.return_address import return_address

SIZE = 0x1000
CALL = (0x94000000).to_bytes(4, "little")  # bl
TRAMPOLINE = (0xD2801168).to_bytes(4, "little") + (0xD4000001).to_bytes(4, "little")  # mov x8, #139; svc #0
# How many bits the addresses of kernels have: the stack's end tells.
BITS = (39, 42, 47, 48)


def process(bits: int, words: dict[int, int], machine: Machine = AARCH64) -> tuple[Process, int, int]:
    """Return a process with these words on its stack, by their distance from its start, and where code and stack
    begin."""
    stack = (1 << bits) - 0x10000
    code = stack - 0x5555000
    data, text = bytearray(SIZE), bytearray(SIZE)
    text[0x100:0x104] = CALL
    text[0x200:0x208] = TRAMPOLINE
    for at, word in words.items():
        data[at : at + 8] = word.to_bytes(8, "little")
    space = AddressSpace(
        (VMA(code, code + SIZE, "r-xp", path="/bin/x"), VMA(stack, stack + SIZE, "rw-p", path="[stack]"))
    )
    memory = ImageMemory([(stack, bytes(data)), (code, bytes(text))])
    return Process("core", machine, memory, space, ()), code, stack


def signed(address: int, bits: int) -> int:
    """Return the address with a signature in every bit that may bear one."""
    return address | ((1 << 55) - 1) & ~((1 << bits) - 1) & 0x55AA_F0F0_0000_0000 | 1 << 54


@pytest.mark.parametrize("bits", BITS)
def test_a_signature_is_taken_off(bits: int) -> None:
    made, code, _ = process(bits, {})
    assert signed(code, bits) != code
    assert made.without_signature(signed(code, bits)) == code
    assert made.without_signature(code) == code
    # A kernel's address, and text of eight letters, bear none.
    assert made.without_signature(0xFFFF_8000_0000_1234) == 0xFFFF_8000_0000_1234
    assert made.without_signature(0x4141_4141_4141_4141) == 0x4141_4141_4141_4141


@pytest.mark.parametrize("bits", BITS)
def test_signed_words_behind_a_call_are_return_addresses(bits: int) -> None:
    _, code, stack = process(bits, {})
    made, _, _ = process(
        bits, {0x800: signed(code + 0x104, bits), 0x700: code + 0x104, 0x600: signed(code + 0x300, bits)}
    )
    assert list(made.machine.code.return_addresses(made, stack + 0x900, 0x400)) == [code + 0x104, code + 0x104]


def test_the_register_of_the_last_call_may_be_signed() -> None:
    made, code, stack = process(48, {})
    thread = Thread(1, 1, "", {"x30": signed(code + 0x104, 48)}, stack, code, None)
    assert return_address(made, thread) == code + 0x104


def test_no_other_machine_signs() -> None:
    made, code, _ = process(47, {}, X86_64)
    assert made.without_signature(signed(code, 47)) == signed(code, 47)


def test_the_trampoline_leads_to_where_the_signal_came() -> None:
    """struct rt_sigframe: siginfo (128 bytes), ucontext, in which regs, sp, pc and pstate lie from byte 184 on."""
    saved = {f"x{number}": 0x1000 + number for number in range(31)} | {"sp": 0x7700, "pc": 0x8800, "cpsr": 0x6000_1000}
    words = {0x100 + 128 + 184 + 8 * index: value for index, value in enumerate(saved.values())}
    made, code, stack = process(48, words)
    code_of = made.machine.code
    assert code_of.interrupted_registers(made, {"pc": code + 0x200, "sp": stack + 0x100}) == saved
    assert code_of.interrupted_registers(made, {"pc": code + 0x204, "sp": stack + 0x100}) is None
