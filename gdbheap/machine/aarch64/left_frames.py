"""What the kernel and calls have left below the stack pointer: the frames of signal handlers that have returned, and
return addresses."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.errors import MemoryFault
from gdbheap.machine.aarch64.call_code import CALL_SIZE, ends_with_call
from gdbheap.machine.aarch64.signal_frame import REGISTERS, SAVED, TRAMPOLINE
from gdbheap.machine.code import LeftFrame
from gdbheap.machine.stopped import StoppedProcess
from gdbheap.machine.stopped_code import bytes_at, executable_words, is_executable

# A frame with the largest vectors of SVE has 9 KiB, and what the handler has called lies below it.
_REACH = 32 << 10
# sp, pc and pstate, in words from the first general register.
_STACK_POINTER, _COUNTER, _STATE = 31, 32, 33
# The bits of pstate that are 0 in programs with 64-bit registers.
_MODE = 0x1F


def left_frames(process: StoppedProcess, stack_pointer: int) -> Iterator[LeftFrame]:
    """Yield the frames of handlers that lie whole enough below the stack pointer, the nearest first.

    The return address to the trampoline is in a register when a handler begins: where it has called anything, it has
    saved it below the frame.
    """
    for at, value in executable_words(process, stack_pointer - _REACH, stack_pointer):
        if bytes_at(process, value, len(TRAMPOLINE)) == TRAMPOLINE:
            yield from _frames_above(process, at, stack_pointer)


def return_addresses(process: StoppedProcess, below: int, reach: int) -> Iterator[int]:
    """Yield the words that point behind a call, from the address downwards, so many bytes of them."""
    for _, value in executable_words(process, below - reach, below):
        if ends_with_call(bytes_at(process, value - CALL_SIZE, CALL_SIZE)):
            yield value


def _frames_above(process: StoppedProcess, at: int, limit: int) -> Iterator[LeftFrame]:
    """Yield the kernel's frame above a saved return address to the trampoline: the first place that makes sense."""
    for place in range(at + 8 & ~15, min(at + _REACH, limit), 16):
        found = _frame(process, place, at)
        if found is not None:
            yield found
            return


def _frame(process: StoppedProcess, place: int, at: int) -> LeftFrame | None:
    """Return the frame at `place`, None where what it saved makes no sense: it has been overwritten, or is none."""
    try:
        saved = process.words.read_many(place + REGISTERS + 8, SAVED // 8 - 1)
    except (MemoryFault, OverflowError):
        return None
    stack_pointer, counter, state = (saved[each] for each in (_STACK_POINTER, _COUNTER, _STATE))
    is_whole = not state & _MODE and not stack_pointer % 16 and place < stack_pointer <= place + _REACH
    return LeftFrame(at, counter, stack_pointer) if is_whole and is_executable(process, counter) else None
