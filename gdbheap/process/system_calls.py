"""Where a thread stands behind a system call, by the bytes of its code."""

from __future__ import annotations

from gdbheap.errors import MemoryFault
from gdbheap.process.memory import Memory

# syscall, sysenter and int $0x80: what a signal is delivered behind that came while the thread was in the kernel.
_SYSTEM_CALLS = (b"\x0f\x05", b"\x0f\x34", b"\xcd\x80")


def is_behind_system_call(memory: Memory, counter: int) -> bool:
    """Whether an instruction that calls the kernel ends before the program counter."""
    return is_behind(memory, counter, *_SYSTEM_CALLS)


def is_behind(memory: Memory, counter: int, *codes: bytes) -> bool:
    """Whether one of the instructions (of at most two bytes) ends before the program counter."""
    try:
        return memory.read(counter - 2, 2).endswith(codes)
    except (MemoryFault, OverflowError):
        return False
