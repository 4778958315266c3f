"""Which threads were stopped in a call of malloc's: while they are, the heap may be between two states."""

from __future__ import annotations

from gdbheap.interface.command import Target

# So many threads are unwound, and so many frames of each.
_THREADS = 256
_FRAMES = 24


def threads_inside(target: Target) -> dict[int, str]:
    """Return the threads (by lwp) that are in a call of malloc's which may be changing the heap, and the call's name."""
    # kept out of gdb's start
    from gdbheap.analysis.call_stacks.in_progress_call import function_inside

    inside = {}
    for thread in target.process.threads[:_THREADS]:
        function = function_inside(target.frames(thread.lwp, _FRAMES))
        if function is not None:
            inside[thread.lwp] = function
    return inside
