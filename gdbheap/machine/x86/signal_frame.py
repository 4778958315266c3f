"""What the kernel leaves on the stack for a signal handler: the signal, the alternate stack that was set up, and the
registers, among them those of a page fault."""

from __future__ import annotations

from gdbheap.errors import MemoryFault
from gdbheap.machine.code import HandlerFrame, KeptSignal
from gdbheap.machine.stopped import Bytes, PointerWords

_SIGNALS = range(1, 65)
# arch/x86/include/asm/sigframe.h, as it lies at the stack pointer of the trampoline that the handler returns to.
# x86-64: struct ucontext (uc_flags, uc_link, uc_stack {ss_sp, ss_flags, ss_size}, then the sigcontext). The siginfo
# behind it is filled in for an SA_SIGINFO handler only, which nothing in the frame tells: for others it is what an
# earlier signal has left there.
_STACK_64, _SIZE_64 = 16, 32
_CONTEXT_64, _INFO_64 = 40, 304
# i386: the handler's arguments: the signal, and of an SA_SIGINFO handler's frame pointers to siginfo and to ucontext.
_INFO_32, _STACK_32, _SIZE_32 = 12, 8, 16
_CONTEXT_32 = 20
_INFORMED_32 = ("rt_sigreturn", "restore_rt")
# struct sigcontext: trapno, err and cr2 (arch/x86/include/uapi/asm/sigcontext.h), by the size of a word.
_SIGCONTEXT = 192
_TRAP = {8: (160, 152, 176), 4: (48, 52, 84)}
_PAGE_FAULT = 14
# Of a page fault's error: the page was there, and refused the access.
_REFUSED = 1


def read_signal_frame(words: PointerWords, pointer_size: int, pointer: int) -> HandlerFrame:
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
        return HandlerFrame()
    stack = (start, start + size) if start and size else None
    return HandlerFrame(number if number in _SIGNALS else None, stack)


def kept_signal(memory: Bytes, pointer_size: int, pointer: int, trampoline: str) -> KeptSignal:
    """Return where siginfo lies, and the page fault that the saved registers tell of (the last of the thread's, which
    may be another than this signal's); raise MemoryFault."""
    if pointer_size == 8:
        info, context = pointer + _INFO_64, pointer + _CONTEXT_64
    elif trampoline.endswith(_INFORMED_32):
        # struct rt_sigframe_ia32: the signal, then pointers to siginfo and ucontext.
        info, context = (int.from_bytes(memory.read(pointer + at, 4), "little") for at in (4, 8))
        context += _CONTEXT_32
    else:
        info, context = 0, pointer + 4  # struct sigframe_ia32: the signal, then the sigcontext
    saved = memory.read(context, _SIGCONTEXT)
    trap, error, address = (int.from_bytes(saved[at : at + pointer_size], "little") for at in _TRAP[pointer_size])
    return KeptSignal(info, address, bool(error & _REFUSED)) if trap == _PAGE_FAULT else KeptSignal(info)
