"""How A64 code calls functions."""

from __future__ import annotations

from gdbheap.errors import MemoryFault
from gdbheap.machine.aarch64.code_steps import follow, register_named
from gdbheap.machine.aarch64.operand import decode
from gdbheap.machine.call_form import CallForm, Transfer
from gdbheap.machine.instruction import CALL, RETURN
from gdbheap.machine.register_values import Registers, Value
from gdbheap.machine.stopped import StoppedProcess

# An entry of a PLT: adrp x16, PAGE; ldr x17, [x16, #OFFSET]; ...; br x17. A landing pad (bti c) may stand before it.
_LANDING = (0xD503245F).to_bytes(4, "little")
_ENTRY = 16
_PAGE_SHIFT = 12


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
    )


def _transfer(text: str) -> Transfer | None:
    instruction = decode(text, {})
    if not instruction.flow or instruction.flow == RETURN:
        return None
    return Transfer(instruction.flow == CALL, instruction.destination, instruction.target_register)


def _argument(registers: Registers, name: str, is_call: bool) -> Value | None:
    return registers[name]


def _behind_plt(process: StoppedProcess, target: int) -> int:
    try:
        code = process.memory.read(target, _ENTRY)
        if code.startswith(_LANDING):
            target, code = target + 4, code[4:]
        page, load = (int.from_bytes(code[at : at + 4], "little") for at in (0, 4))
        if page & 0x9F00_001F != 0x9000_0010 or load & 0xFFC0_03FF != 0xF940_0211:
            return target
        distance = (page >> 5 & 0x7FFFF) << 2 | page >> 29 & 3
        distance -= (distance >> 20 & 1) << 21
        slot = (target >> _PAGE_SHIFT) + distance << _PAGE_SHIFT
        return process.words.read(slot + (load >> 10 & 0xFFF) * 8)
    except MemoryFault:
        return target
