"""How A64 code calls functions."""

from __future__ import annotations

from gdbheap.errors import MemoryFault
from gdbheap.machine.aarch64.call_code import CALL_SIZE
from gdbheap.machine.aarch64.code_steps import follow, register_named
from gdbheap.machine.aarch64.operand import decode
from gdbheap.machine.aarch64.stub import stub_slot
from gdbheap.machine.call_form import CallForm, Transfer
from gdbheap.machine.instruction import CALL, RETURN
from gdbheap.machine.register_values import Registers, Value
from gdbheap.machine.stopped import StoppedProcess

_ENTRY = 16


def call_form() -> CallForm:
    """Return the form of aarch64's calls."""
    preserved = [f"x{number}" for number in range(19, 30)]
    return CallForm(
        arguments=tuple(f"x{number}" for number in range(8)),
        in_registers=True,
        kept={each: each for each in preserved},
        stack_pointer="sp",
        pushed=0,
        follow=follow,
        transfer=_transfer,
        target=register_named,
        argument=_argument,
        behind_stub=_behind_plt,
        direct_call=_direct_call,
    )


def _transfer(text: str) -> Transfer | None:
    instruction = decode(text, {})
    if not instruction.flow or instruction.flow == RETURN:
        return None
    return Transfer(instruction.flow == CALL, instruction.destination, instruction.target_register)


def _argument(registers: Registers, name: str, is_call: bool) -> Value | None:
    return registers[name]


def _direct_call(process: StoppedProcess, end: int) -> int | None:
    try:
        word = int.from_bytes(process.memory.read(end - CALL_SIZE, CALL_SIZE), "little")
    except (MemoryFault, OverflowError):
        return None
    distance = (word & 0x3FF_FFFF) - (word << 1 & 0x400_0000)  # of signed words, from the call on
    return end - CALL_SIZE + CALL_SIZE * distance if word >> 26 == 0b100101 else None


def _behind_plt(process: StoppedProcess, target: int) -> int:
    try:
        slot = stub_slot(process.memory.read(target, _ENTRY), target)
        return target if slot is None else process.words.read(slot)
    except MemoryFault:
        return target
