"""Where a function that was just called returns to."""

from __future__ import annotations

from gdbheap.errors import MemoryFault
from gdbheap.process.process import Process, Thread


def return_address(process: Process, thread: Thread) -> int | None:
    """Return what the last call has left: in the machine's register for it, or the word at the stack pointer; None
    where that cannot be read."""
    name = process.machine.return_register
    if name:
        value = thread.registers.get(name)
        return None if value is None else process.without_signature(process.machine.untagged(value))
    try:
        return process.words.read(thread.stack_pointer)
    except (MemoryFault, OverflowError):
        return None
