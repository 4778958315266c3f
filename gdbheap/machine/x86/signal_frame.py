"""What the kernel leaves on the stack for a signal handler: the signal, and the alternate stack that was set up."""

from __future__ import annotations

from gdbheap.errors import MemoryFault
from gdbheap.process.memory import Words

_SIGNALS = range(1, 65)
# arch/x86/include/asm/sigframe.h, as it lies at the stack pointer of the trampoline that the handler returns to.
# x86-64: struct ucontext (uc_flags, uc_link, uc_stack {ss_sp, ss_flags, ss_size}, ...). The siginfo behind it is filled
# in for an SA_SIGINFO handler only, which nothing in the frame tells: for others it is what an earlier signal has left
# there.
_STACK_64, _SIZE_64 = 16, 32
# i386: the handler's arguments: the signal, and of an SA_SIGINFO handler's frame pointers to siginfo and to ucontext.
_INFO_32, _STACK_32, _SIZE_32 = 12, 8, 16


def read_signal_frame(words: Words, pointer_size: int, pointer: int) -> tuple[int | None, tuple[int, int] | None]:
    """Return the signal's number (which i386 alone keeps) and the bounds of the alternate stack, each None where the
    frame at `pointer` does not tell."""
    try:
        if pointer_size == 8:
            number = None
            start, size = words.read(pointer + _STACK_64), words.read(pointer + _SIZE_64)
        else:
            number = words.read(pointer)
            start = size = 0
            if words.read(pointer + pointer_size) == pointer + _INFO_32:
                context = words.read(pointer + 2 * pointer_size)
                start, size = words.read(context + _STACK_32), words.read(context + _SIZE_32)
    except MemoryFault:
        return None, None
    stack = (start, start + size) if start and size else None
    return (number if number in _SIGNALS else None), stack
