"""The thread that gives the program up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gdbheap.process.signal_info import SIGABRT
from gdbheap.session.target import Target

if TYPE_CHECKING:
    from gdbheap.process.frame import Frame

# So many frames tell of an abort.
_FRAMES = 24
# So many threads are looked at for the one that aborted, where it is not the one that stopped.
_UNWOUND = 256


def dying_thread(target: Target) -> tuple[int | None, Sequence[Frame]]:
    """Return the thread (lwp) that aborts, and its frames from there on: the one that stopped, else any; (None, that
    one's frames) for none."""
    from gdbheap.analysis.call_stacks.whose_code import ABORT  # kept out of gdb's start
    from gdbheap.analysis.malloc_aborts.dying_call import dying_part

    stop = target.stop()
    frames = stop.frames[:_FRAMES]
    if (stop.signal.signal if stop.signal is not None else stop.thread.signal) == SIGABRT:
        return stop.thread.lwp, dying_part(frames)
    for thread in target.process.threads[:_UNWOUND] if target.abort_message() else ():
        others = target.frames(thread.lwp, _FRAMES)
        if any(frame.function in ABORT for frame in others):
            return thread.lwp, dying_part(others)
    return None, frames
