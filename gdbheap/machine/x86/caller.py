"""The caller of a function that no table describes: by how compilers begin functions, and by the call itself."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gdbheap.errors import MemoryFault
from gdbheap.lazy import regex
from gdbheap.machine.stopped import StoppedProcess
from gdbheap.machine.x86.call_code import LONGEST_CALL, ends_with_call

# endbr64, endbr32; push of the frame pointer; its move, in both encodings.
_BEGIN = regex(rb"(?P<landing>\xf3\x0f\x1e[\xfa\xfb])?\x55(?P<moved>\x48?(?:\x89\xe5|\x8b\xec))?", re.DOTALL)
_LONGEST = 8


def caller_registers(
    process: StoppedProcess, registers: Mapping[str, int], function: int | None
) -> Mapping[str, int] | None:
    """See MachineCode. A function that has not begun, or cannot (a call of no code at all), has its return address on
    top of the stack."""
    size = process.pointer_size
    pointer, frame, counter = ("rsp", "rbp", "rip") if size == 8 else ("esp", "ebp", "eip")
    at, outer = registers[pointer], dict(registers)
    if function is None and size == 4 and _returned_there(process, at, registers[frame]):
        at = registers[frame]
        outer[frame] = process.words.read(at)
        at += size
    begin = _begin(process, function)
    if begin is not None and function is not None:
        landing, moved = begin.end("landing"), begin.end("moved")
        done = registers[counter] - function
        if moved > 0 and done >= moved:
            at = registers[frame]
            outer[frame] = process.words.read(at)
            at += size
        elif done > max(landing, 0):
            outer[frame] = process.words.read(at)
            at += size
    outer[counter] = process.words.read(at)
    outer[pointer] = at + size
    return outer


def _returned_there(process: StoppedProcess, at: int, frame: int) -> bool:
    """Whether a place without a function was returned to, and not called: no return address is on top of the stack, but
    one is behind the caller's frame pointer. (On i386 alone: x86-64's code need not keep one.)"""
    try:
        words = [process.words.read(each) for each in (at, frame + process.pointer_size)]
    except MemoryFault:
        return False
    return at <= frame and [_is_behind_call(process, each) for each in words] == [False, True]


def _is_behind_call(process: StoppedProcess, address: int) -> bool:
    mapping = process.address_space.find(address)
    if mapping is None or not mapping.executable:
        return False
    try:
        return ends_with_call(process.memory.read(address - LONGEST_CALL, LONGEST_CALL))
    except MemoryFault:
        return False


def _begin(process: StoppedProcess, function: int | None) -> re.Match[bytes] | None:
    if function is None:
        return None
    try:
        return _BEGIN.match(process.memory.read(function, _LONGEST))
    except MemoryFault:
        return None
