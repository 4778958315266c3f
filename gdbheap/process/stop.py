"""Why and where a thread stopped: the signal, the instruction, the frames and the source line, as values."""

from __future__ import annotations

from dataclasses import dataclass

from gdbheap.process.frame import Frame
from gdbheap.process.process import Thread
from gdbheap.process.signal_info import SignalInfo


@dataclass(frozen=True)
class Stop:
    """A thread's stop.

    `signal` is None where no signal stopped it (a breakpoint, a step); `signal_name` is "SIGSEGV", ... or "".
    `instruction` is gdb's text at the program counter ("" where none can be read), `next_instruction` that of the one after it,
    `caller_instruction` that of the call before the address at the stack pointer, "" where that is no return address.
    `frames` begin with the innermost. `source` is the source line's text, "FILE:LINE: text".
    `own_pid` is the process's id as its own signals give it. `is_selected`: the thread is the one that the user has selected.
    `handler` is the function that handles the signal by now, "" where none does: then all else is as it was when the signal came.
    `within` is the handler that the thread was in when it stopped ("a handler of SIGUSR1"), "" outside of handlers.
    """

    thread: Thread
    signal: SignalInfo | None
    signal_name: str = ""
    instruction: str = ""
    next_instruction: str = ""
    caller_instruction: str = ""
    frames: tuple[Frame, ...] = ()
    source: str = ""
    own_pid: int | None = None
    is_selected: bool = True
    handler: str = ""
    within: str = ""
