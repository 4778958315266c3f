"""Where a thread stands behind a system call, by the bytes of its code."""

from __future__ import annotations

from gdbheap.errors import MemoryFault
from gdbheap.process.memory import Memory
from gdbheap.process.process import Process


def is_behind_system_call(process: Process, counter: int) -> bool:
    """Whether an instruction that calls the kernel ends before the program counter: a signal that came while the thread
    was in the kernel is delivered behind it."""
    return is_behind(process.memory, counter, *process.machine.system_calls.instructions)


def is_behind(memory: Memory, counter: int, *codes: bytes) -> bool:
    """Whether one of the instructions (of at most two bytes) ends before the program counter."""
    try:
        return memory.read(counter - 2, 2).endswith(codes)
    except (MemoryFault, OverflowError):
        return False
