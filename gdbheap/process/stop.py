"""Why and where a thread stopped: the signal, the instruction, the frames and the source line, as values."""

from __future__ import annotations

from gdbheap.lazy import dataclass
from gdbheap.process.frame import Frame
from gdbheap.process.process import Thread
from gdbheap.process.signal_info import SignalInfo


@dataclass(frozen=True)
class Handler:
    """A signal handler that the thread is in. `signal` is the number where the kernel's frame tells it, `function` the
    handler's name and `interrupted` that of what it interrupted ("" unknown), `level` the number of the frame that
    the kernel made for it.

    `stack_pointer` is in that frame, `interrupted_pointer` in the next outer one; `alternate` the bounds of the
    alternate stack that was set up (None: none, or not told). `info` is the kernel's word on the signal (None: the
    handler has not asked for it, or it cannot be read).
    """

    level: int
    signal: int | None
    function: str
    interrupted: str
    stack_pointer: int
    interrupted_pointer: int
    alternate: tuple[int, int] | None = None
    info: SignalInfo | None = None


@dataclass(frozen=True)
class Expression:
    """A pointer that the source names at the stop: `text` ("p->next"), its `value` and its `type` ("struct node *");
    `place` is where it is in memory (None: in no memory).

    `members` are (offset, size, name) of what it points to, in bytes; () where that is no struct.
    """

    text: str
    value: int
    type: str
    members: tuple[tuple[int, int, str], ...] = ()
    place: int | None = None

    def member_at(self, offset: int) -> str:
        """Return the name of the member that lies `offset` bytes into the object, "" where none does."""
        found = [name for start, size, name in self.members if start <= offset < start + size]
        return found[-1] if found else ""


@dataclass(frozen=True)
class Stop:
    """A thread's stop.

    `signal` is None where no signal stopped it (a breakpoint, a step); `signal_name` is "SIGSEGV", ... or "".
    `instruction` is gdb's text at the program counter ("" where none can be read), `next_instruction` that of the
    one after it, `caller_instruction` that of the call before the address at the stack pointer, "" where that is no
    return address. `frames` begin with the innermost. `source` is the source line's text, "FILE:LINE: text".
    `own_pid` is the process's id as its own signals give it. `is_selected`: the thread is the one that the user has
    selected. `handler` is the function that handles the signal by now, "" where none does: then all else is as it
    was when the signal came. `handlers` are the signal handlers that the thread is in, the innermost first.
    `expressions` are the pointers that the innermost frame with source can name, those of the source line itself
    first. `system_call` is the name of the call that a filter refused, "" where there is none, or nobody knows it.
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
    handlers: tuple[Handler, ...] = ()
    expressions: tuple[Expression, ...] = ()
    system_call: str = ""
