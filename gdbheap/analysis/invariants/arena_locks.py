"""The mutexes of arenas that are taken: which threads wait for them, and which may hold them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gdbheap.analysis.call_stacks.in_progress_call import parts
from gdbheap.analysis.call_stacks.whose_code import is_of_libc, is_wait
from gdbheap.analysis.invariants.calls import MallocCall, calls_under_way
from gdbheap.glibc.heap_view import HeapView
from gdbheap.lazy import dataclass
from gdbheap.process.frame import Frame
from gdbheap.process.process import Process
from gdbheap.process.system_calls import is_behind_system_call

# So many threads are unwound, and so many frames of each.
_THREADS = 256
FRAMES = 64
# The frames next to the kernel that belong to the wait.
_WAITING_FRAMES = 3


@dataclass(frozen=True)
class Busy:
    """A thread that waits for an arena's mutex, or may hold one: its `calls` of malloc's under way, the innermost
    first."""

    lwp: int
    calls: tuple[MallocCall, ...]


@dataclass(frozen=True)
class ArenaLock:
    """The mutex of arena `arena` (its index), at `address`, is taken. `waiters` wait for it; `holders` have a call
    of malloc's under way that may hold it: those of a waiter's are the calls beyond the one that waits.
    `all_seen`: every thread's stack is known to its beginning, so that nobody else can hold it."""

    arena: int
    address: int
    waiters: tuple[Busy, ...]
    holders: tuple[Busy, ...]
    all_seen: bool
    threads: int

    @property
    def is_held_by_waiters(self) -> bool:
        """Whether those that wait are the only ones that can hold it."""
        waiting = {each.lwp for each in self.waiters}
        return bool(self.holders) and all(each.lwp in waiting for each in self.holders)

    @property
    def is_orphaned(self) -> bool:
        """Whether no thread can hold it: what took it is gone."""
        return not self.holders and self.all_seen

    @property
    def is_deadlock(self) -> bool:
        """Whether somebody waits for it for ever."""
        return bool(self.waiters) and (self.is_held_by_waiters or self.is_orphaned)


def arena_locks(process: Process, view: HeapView, frames_of: Callable[[int], Sequence[Frame]]) -> tuple[ArenaLock, ...]:
    """Return the mutexes that are taken; `frames_of` unwinds a thread (by lwp), and is asked only where there is
    one."""
    taken = {arena.address: arena.index for arena in view.arenas if arena.is_locked}
    if not taken:
        return ()
    stacks = {each.lwp: frames_of(each.lwp) for each in process.threads[:_THREADS]}
    waits = {lwp: _waits_for(process, frames, taken) for lwp, frames in stacks.items()}
    # Linked into the program, libc has no code of its own: any frame without a name may be malloc's.
    is_static = not any(is_of_libc(frame) and frame.library for frames in stacks.values() for frame in frames)
    unnamed = {lwp for lwp, frames in stacks.items() if is_static and not all(each.function for each in frames)}
    calls = {
        lwp: calls_under_way(frames) or (_interrupted(frames) if lwp in unnamed else ())
        for lwp, frames in stacks.items()
    }
    all_seen = len(stacks) == len(process.threads) and all(
        frames and frames[-1].is_outermost and (lwp not in unnamed or waits[lwp] is not None)
        for lwp, frames in stacks.items()
    )
    found = []
    for address, index in taken.items():
        waiters = tuple(Busy(lwp, calls[lwp]) for lwp in stacks if waits[lwp] == address)
        holders = (Busy(lwp, _may_hold(calls[lwp], waits[lwp])) for lwp in stacks)
        kept = tuple(each for each in holders if each.calls)
        found.append(ArenaLock(index, address, waiters, kept, all_seen, len(process.threads)))
    return tuple(found)


def _interrupted(frames: Sequence[Frame]) -> tuple[MallocCall, ...]:
    """Return the wait of a thread's, and what the innermost signal handler interrupted, as calls of malloc's that
    nobody names."""
    at = next((index for index, frame in enumerate(frames[:-1]) if frame.is_signal), None)
    if at is None:
        return ()
    inner, outer = frames[0], frames[at + 1]
    name, handler = "code without a name", frames[at - 1].function if at else ""
    return (
        MallocCall(name, inner.level, name, inner.level, waits=True, changes=True, aborts=False),
        MallocCall(name, outer.level, name, outer.level, False, True, False, handler, frames[at].level),
    )


def _may_hold(calls: tuple[MallocCall, ...], waits_for: int | None) -> tuple[MallocCall, ...]:
    """Return the calls that may hold a mutex: one that waits for it does not yet, and it holds no other."""
    if waits_for is None:
        return tuple(each for each in calls if not each.waits)
    waiting = next((at for at, each in enumerate(calls) if each.waits), 0)
    return calls[waiting + 1 :]


def _waits_for(process: Process, frames: Sequence[Frame], mutexes: dict[int, int]) -> int | None:
    """Return which of the mutexes the thread sleeps for: now, or when a signal's handler interrupted that."""
    for part in parts(frames):
        first = next(iter(part), None)
        if first is None:
            continue
        value = first.registers.get(process.machine.system_calls.arguments[0])  # the futex
        if value in mutexes and is_behind_system_call(process, first.program_counter):
            return value
        for frame in part[:_WAITING_FRAMES]:
            named = [each for each in frame.arguments.values() if each in mutexes] if is_wait(frame) else []
            if named:
                return named[0]
    return None
