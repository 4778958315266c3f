"""Allocations that were seen being made while the process ran: what to look for, and what was seen."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence

from gdbheap.lazy import dataclass


@dataclass(frozen=True)
class AllocationFunction:
    """A function that returns memory: `address` of its first instruction. What is asked for is the product of the
    arguments `sizes` (from 0); what it returns is the result, or (`result_at`) stored where that argument points."""

    name: str
    address: int
    sizes: tuple[int, ...]
    result_at: int | None = None


@dataclass(frozen=True)
class Sampling:
    """What to record: for so many `seconds`, holding the process for at most `slowdown` (0 to 1) of the time, requests
    of these sizes in bytes (both included; None: no bound), with `depth` frames each. `cached_marks`: what chunks in a
    tcache are known by. Once on the way, while the process stands still, `focus` is asked of what was sampled until
    then, and says of which sizes calls are wanted from there on (None: of the same ones)."""

    functions: tuple[AllocationFunction, ...]
    seconds: float
    slowdown: float
    least: int = 0
    most: int | None = None
    depth: int = 16
    cached_marks: frozenset[int] = frozenset()
    focus: Callable[[Sequence[Sample]], Callable[[int], bool] | None] | None = None

    def wants(self, size: int) -> bool:
        """Whether requests of that size are to be recorded."""
        return self.wants_any(range(size, size + 1))

    def wants_any(self, sizes: range) -> bool:
        """Whether requests of any of these sizes are to be recorded."""
        return sizes.stop > self.least and (self.most is None or sizes.start <= self.most)


@dataclass(frozen=True)
class Caller:
    """One frame of a call stack: the function's name ("" unknown), the module's file name, the offset in the module,
    and "file:line" ("" without line information)."""

    function: str
    library: str
    offset: int
    place: str = ""

    @property
    def name(self) -> str:
        """What people call it: the function, else module+offset."""
        return self.function or f"{self.library or '?'}+{self.offset:#x}"


# Of a block that the heap was looked at after.
FOLLOWED_LONG = 1 << 30


@dataclass(frozen=True)
class Sample:
    """One allocation: `address` that was returned, `size` asked of `function`, by the thread of that number; `stack`
    has the innermost caller first. So many calls in a row were seen from it on: `followed`, itself among them.
    `was_freed`: it was seen free since, so that what is in use there later is another block. `is_rewritten`: nothing of
    what it held soon after it was made is in its first words now, so that it may be another block."""

    address: int
    size: int
    function: str
    thread: int
    stack: tuple[Caller, ...]
    followed: int = FOLLOWED_LONG
    was_freed: bool = False
    is_rewritten: bool = False


class RecordingEnd(enum.Enum):
    """Why a recording ended."""

    TIME = "time"
    INTERRUPTED = "interrupted"
    BREAKPOINT = "breakpoint"
    SIGNAL = "signal"
    EXITED = "exited"
    EXECUTED = "executed another program"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Recording:
    """What was seen: `samples` in order of time, `others` how many calls of other sizes were met. The process was
    held for `held` of `seconds`. `end`, with a signal's name or a breakpoint's number in `detail`. From sample
    `focused_from` on, only what Sampling.focus wanted was recorded (None: it wanted nothing). Settings
    of the debugger's were `set_aside` for so long."""

    samples: tuple[Sample, ...]
    others: int
    seconds: float
    held: float
    end: RecordingEnd
    detail: str = ""
    focused_from: int | None = None
    set_aside: tuple[str, ...] = ()
