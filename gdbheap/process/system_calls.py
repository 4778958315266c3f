"""Where a thread stands behind a system call, by the bytes of its code."""

from __future__ import annotations

from gdbheap.errors import MemoryFault
from gdbheap.process.memory import Memory
from gdbheap.process.process import Process

# Where a trap's bytes are looked for: (from the program counter, how many).
_BEFORE, _AT = (-2, 2), (0, 4)


def is_behind_system_call(process: Process, counter: int) -> bool:
    """Whether an instruction that calls the kernel ends before the program counter: a signal that came while the thread
    was in the kernel is delivered behind it."""
    return is_behind(process.memory, counter, *process.machine.system_calls.instructions)


def is_at_own_trap(process: Process, counter: int) -> bool:
    """Whether a trap of the program's own has stopped a thread there."""
    before, at = (_code(process.memory, counter + at, size) for at, size in (_BEFORE, _AT))
    return process.machine.is_stopped_by_trap(before, at)


def is_behind(memory: Memory, counter: int, *codes: bytes) -> bool:
    """Whether one of the instructions (of the same length) ends before the program counter."""
    length = max(map(len, codes), default=0)
    return _code(memory, counter - length, length) in codes


def _code(memory: Memory, address: int, size: int) -> bytes:
    try:
        return memory.read(address, size)
    except (MemoryFault, OverflowError):
        return b""
