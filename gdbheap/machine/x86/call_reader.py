"""How x86's code calls functions: x86-64 passes the first arguments in registers, i386 on the stack."""

from __future__ import annotations

import re
from functools import partial

from gdbheap.errors import MemoryFault
from gdbheap.lazy import regex
from gdbheap.machine.call_form import CallForm, Transfer
from gdbheap.machine.register_values import Registers, Value, plus
from gdbheap.machine.stopped import CodeLines, StoppedProcess
from gdbheap.machine.x86.code_steps import follow, operand_value

_ARGUMENTS = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
_PRESERVED = ("rbx", "rbp", "r12", "r13", "r14", "r15")
_PRESERVED_IN_32 = {"rbx": "ebx", "rbp": "ebp", "rsi": "esi", "rdi": "edi"}
_TRANSFER = regex(r"(?:(?:bnd|notrack|data16|rex\.\w+|addr32)\s+)*(?P<kind>call|jmp)q?\s+(?P<target>.+)")
_DIRECT = regex(r"(?:0x)?(?P<address>[0-9a-f]+)\b")
# jmp *DISPLACEMENT(%rip), as all entries of a PLT have it: behind endbr64, a bnd before it.
_PLT = regex(rb"(?:\xf3\x0f\x1e\xfa)?(?:\xf2)?\xff\x25(?P<displacement>.{4})", re.DOTALL)
_PLT_BYTES = 16


def call_form(pointer_size: int) -> CallForm:
    """Return the form of x86-64's calls, or of i386's."""
    return CallForm(
        arguments=_ARGUMENTS,
        in_registers=pointer_size == 8,
        kept={each: each for each in _PRESERVED} if pointer_size == 8 else _PRESERVED_IN_32,
        stack_pointer="rsp",
        pushed=pointer_size,
        follow=partial(_follow, pointer_size),
        transfer=_transfer,
        target=operand_value,
        argument=_argument,
        behind_stub=_behind_plt,
        direct_call=_direct_call,
    )


def _follow(pointer_size: int, code: CodeLines, at: int) -> Registers:
    return follow(code, at, pointer_size)


def _transfer(text: str) -> Transfer | None:
    match = _TRANSFER.match(text.strip())
    if match is None:
        return None
    direct = _DIRECT.match(match["target"])
    destination = int(direct["address"], 16) if direct is not None else None
    return Transfer(match["kind"] == "call", destination, match["target"])


def _argument(registers: Registers, name: str, is_call: bool) -> Value | None:
    """Return what a register holds; of i386, whose arguments are on the stack, "rdi" is the first of them."""
    if registers.word == 8:
        return registers[name]
    return_address = 0 if is_call else registers.word
    return registers.held_at(plus(registers["rsp"], return_address)) if name == _ARGUMENTS[0] else None


def _direct_call(process: StoppedProcess, end: int) -> int | None:
    try:
        code = process.memory.read(end - 5, 5)
    except (MemoryFault, OverflowError):
        return None
    return end + int.from_bytes(code[1:], "little", signed=True) if code[0] == 0xE8 else None


def _behind_plt(process: StoppedProcess, target: int) -> int:
    try:
        match = _PLT.match(process.memory.read(target, _PLT_BYTES))
        if match is None:
            return target
        displacement = int.from_bytes(match["displacement"], "little", signed=True)
        return process.words.read(target + match.end() + displacement)
    except MemoryFault:
        return target
