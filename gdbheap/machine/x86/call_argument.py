"""The first argument of a call that has not returned: compilers keep it nowhere, but the code before the call still
tells how it was made."""

from __future__ import annotations

import re

from gdbheap.errors import MemoryFault
from gdbheap.process.frame import Frame
from gdbheap.process.process import Process

# So many bytes of code before the return address are looked at.
_CODE = 32
# The call itself, and what may stand before it once %rdi is made: the size that a sized delete is given.
_CALL = re.compile(rb"(?:\xe8.{4}|\xff\x15.{4}|\xff[\xd0-\xd7]|\x41\xff[\xd0-\xd7])\Z", re.DOTALL)
# A delete's look whether the pointer is null.
_NULL_CHECK = re.compile(rb"\x48\x85\xff\x74.\Z", re.DOTALL)
_SECOND = re.compile(rb"\xbe.{4}\Z", re.DOTALL)
# mov %REG,%rdi for the registers that calls preserve.
_MOVE_RAX = b"\x48\x89\xc7"
_MOVES = {
    b"\x48\x89\xdf": "rbx", b"\x48\x89\xef": "rbp", b"\x4c\x89\xe7": "r12", b"\x4c\x89\xef": "r13",
    b"\x4c\x89\xf7": "r14",
    b"\x4c\x89\xff": "r15", b"\x48\x89\xe7": "rsp",
}  # fmt: skip
# The base register of lea and mov DISPLACEMENT(REG),%rdi, by prefix and the bytes that name it, without those of the
# displacement's size.
_BASES = {
    (b"\x48", b"\x3b"): "rbx", (b"\x48", b"\x3d"): "rbp", (b"\x49", b"\x3c\x24"): "r12", (b"\x49", b"\x3d"): "r13",
    (b"\x49", b"\x3e"): "r14",
    (b"\x49", b"\x3f"): "r15", (b"\x48", b"\x3c\x24"): "rsp",
}  # fmt: skip


def first_argument(process: Process, caller: Frame) -> int | None:
    """Return the first argument of the call that the frame is in, read from its code and the registers that calls
    preserve; None where these do not tell."""
    try:
        if process.pointer_size == 4:
            return process.words.read(caller.stack_pointer)  # i386 passes on the stack
        code = process.memory.read(caller.program_counter - _CODE, _CODE)
    except MemoryFault:
        return None
    call = _CALL.search(code)
    if call is None:
        return None
    code = code[: call.start()]
    second = _SECOND.search(code)
    code = code[: second.start()] if second is not None else code
    null_check = _NULL_CHECK.search(code)
    code = code[: null_check.start()] if null_check is not None else code
    through_rax = code.endswith(_MOVE_RAX)  # as code that is not optimised does it
    code = code[: -len(_MOVE_RAX)] if through_rax else code
    end = caller.program_counter - _CODE + len(code)
    registers = {**caller.registers, "rsp": caller.stack_pointer}
    try:
        return _made(process, code, end, registers, 0x38 if through_rax else 0)
    except MemoryFault:
        return None


def _made(process: Process, code: bytes, end: int, registers: dict[str, int], less: int) -> int | None:
    """Return what the last instruction of the code puts into %rdi (with `less` 0x38: into %rax), None where it is
    none of the usual ones."""
    for move, register in _MOVES.items():
        if not less and code.endswith(move):
            return registers.get(register)
    if code[-5:-4] == bytes((0xBF - less // 8,)):  # mov $ADDRESS,%edi
        return int.from_bytes(code[-4:], "little")
    if code[-7:-5] in (b"\x48\x8d", b"\x48\x8b") and code[-5] == 0x3D - less:  # relative to the next instruction
        at = end + int.from_bytes(code[-4:], "little", signed=True)
        return at if code[-6] == 0x8D else process.words.read(at)
    for (prefix, base), register in _BASES.items():
        for size, mode in ((0, 0x00), (1, 0x40), (4, 0x80)):
            for opcode in (b"\x8d", b"\x8b"):
                wanted = prefix + opcode + bytes((base[0] - less | mode,)) + base[1:]
                at = len(code) - size - len(wanted)
                if at < 0 or code[at : at + len(wanted)] != wanted or register not in registers:
                    continue
                place = registers[register] + int.from_bytes(code[len(code) - size :], "little", signed=True)
                return place if opcode == b"\x8d" else process.words.read(place)
    return None
