"""What the kernel and calls have left below the stack pointer: the frames of signal handlers that have returned, and
return addresses."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.errors import MemoryFault
from gdbheap.machine.code import LeftFrame
from gdbheap.machine.stopped import StoppedProcess
from gdbheap.machine.stopped_code import bytes_at, executable_words, is_executable
from gdbheap.machine.x86.call_code import LONGEST_CALL, ends_with_call

# A frame with the largest state of a processor (AMX) has 12 KiB, and what the handler has called lies below it.
_REACH = 32 << 10
# What a handler returns to: a call of rt_sigreturn, on i386 of sigreturn too (whose handlers get no siginfo).
_INFORMED_32 = b"\xb8\xad\0\0\0\xcd\x80"
_TRAMPOLINES = {8: (b"\x48\xc7\xc0\x0f\0\0\0\x0f\x05",), 4: (b"\x58\xb8\x77\0\0\0\xcd\x80", _INFORMED_32)}
_LONGEST_TRAMPOLINE = 9
# struct sigcontext (arch/x86/include/uapi/asm/sigcontext.h) in words: sp, ip, flags and cs, by the size of a word.
_SAVED = {8: (15, 16, 17, 18), 4: (7, 14, 16, 15)}
_WORDS = 19
# __USER_CS and __USER32_CS; the bit of the flags that is always set.
_SELECTORS = {8: 0x33, 4: 0x23}
_ALWAYS_SET = 2
# struct ucontext of x86-64 up to the sigcontext, which lies right behind the return address.
_CONTEXT_64, _CONTEXT_32 = 40, 20


def left_frames(process: StoppedProcess, stack_pointer: int) -> Iterator[LeftFrame]:
    """Yield the frames of handlers that lie whole enough below the stack pointer, the nearest first."""
    for at, value in executable_words(process, stack_pointer - _REACH, stack_pointer):
        code = bytes_at(process, value, _LONGEST_TRAMPOLINE)
        if code.startswith(_TRAMPOLINES[process.pointer_size]):
            found = _frame(process, at, code.startswith(_INFORMED_32))
            if found is not None:
                yield found


def return_addresses(process: StoppedProcess, below: int, reach: int) -> Iterator[int]:
    """Yield the words that point behind a call, from the address downwards, so many bytes of them."""
    for _, value in executable_words(process, below - reach, below):
        code = bytes_at(process, value - LONGEST_CALL, LONGEST_CALL)
        if len(code) == LONGEST_CALL and ends_with_call(code):
            yield value


def _frame(process: StoppedProcess, at: int, is_informed: bool) -> LeftFrame | None:
    """Return the frame whose return address lies at `at`, None where what it saved makes no sense: it has been
    overwritten, or never was one."""
    size = process.pointer_size
    try:
        if size == 8:
            context = at + size + _CONTEXT_64
        elif is_informed:  # the handler's arguments: the signal, pointers to siginfo and ucontext
            context = process.words.read(at + 3 * size) + _CONTEXT_32
        else:
            context = at + 2 * size
        saved = process.words.read_many(context, _WORDS)
    except (MemoryFault, OverflowError):
        return None
    stack_pointer, counter, flags, selectors = (saved[each] for each in _SAVED[size])
    is_whole = selectors & 0xFFFF == _SELECTORS[size] and flags & _ALWAYS_SET and at < stack_pointer <= at + _REACH
    return LeftFrame(at, counter, stack_pointer) if is_whole and is_executable(process, counter) else None
