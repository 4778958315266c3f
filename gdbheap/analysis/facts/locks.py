"""Arenas' mutexes that are taken: who waits, who holds them."""

from __future__ import annotations

from gdbheap.lazy import dataclass
from gdbheap.process.fact import Fact, Hex


@dataclass(frozen=True)
class CallInProgress(Fact):
    """A call of malloc's `function` that has not returned (frame `frame`), and the innermost of its functions. A
    signal interrupted it where `signal_frame` is not None: then `handler` ("" not known) handles that."""

    kind = "call_in_progress"
    function: str
    frame: int
    inner: str
    inner_frame: int
    signal_frame: int | None
    handler: str


@dataclass(frozen=True)
class ThreadInside(Fact):
    """A thread by gdb's number, and its calls of malloc's, the innermost first."""

    kind = "thread_inside"
    thread: int
    calls: tuple[CallInProgress, ...]


@dataclass(frozen=True)
class ArenaMutex(Fact):
    """The mutex of an arena is taken. `waiters` wait for it, `holders` may hold it; `all_seen`: nobody else can.
    `deadlock`: somebody waits for ever. `threads` is how many the process has."""

    kind = "arena_mutex"
    arena: str
    address: Hex
    waiters: tuple[int, ...]
    holders: tuple[ThreadInside, ...]
    all_seen: bool
    held_by_waiters: bool
    deadlock: bool
    threads: int

    @property
    def is_orphaned(self) -> bool:
        """Whether no thread can hold it."""
        return not self.holders and self.all_seen


@dataclass(frozen=True)
class MutexWaitedFor(Fact):
    """Where the mutex is, and which threads wait for it in the kernel."""

    kind = "mutex_waited_for"
    address: Hex
    waiters: tuple[int, ...]


@dataclass(frozen=True)
class ThreadsCall(Fact):
    """What a thread has called."""

    kind = "thread_call"
    thread: int
    call: CallInProgress


@dataclass(frozen=True)
class AllStacksKnown(Fact):
    """Every thread's stack is known to its beginning, and none can hold the mutex."""

    kind = "all_stacks_known"


@dataclass(frozen=True)
class LockGuess(Fact):
    """How a mutex may have come to be held by nobody; `forked`: the process has one thread, and may be such a child."""

    kind = "lock_guess"
    forked: bool
