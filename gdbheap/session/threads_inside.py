"""Which threads were stopped in a call of malloc's, and which wait for an arena's mutex: meanwhile the heap may be
between two states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.session.target import Target

if TYPE_CHECKING:
    from gdbheap.analysis.invariants.arena_locks import ArenaLock

# So many threads are unwound, and so many frames of each.
_THREADS = 256
_FRAMES = 24


def threads_inside(target: Target) -> dict[int, str]:
    """Return the threads (by lwp) that are in a call of malloc's which may be changing the heap, and the call's
    name."""
    # kept out of gdb's start
    from gdbheap.analysis.call_stacks.in_progress_call import function_inside

    inside = {}
    for thread in target.process.threads[:_THREADS]:
        function = function_inside(target.frames(thread.lwp, _FRAMES))
        if function is not None:
            inside[thread.lwp] = function
    return inside


def taken_locks(target: Target) -> tuple[ArenaLock, ...]:
    """Return the arenas' mutexes that are taken, with the threads that wait for them or may hold them."""
    if not any(arena.is_locked for arena in target.heap().arenas):
        return ()
    from gdbheap.analysis.invariants.arena_locks import FRAMES, arena_locks

    return arena_locks(target.process, target.heap(), lambda lwp: target.frames(lwp, FRAMES))


def lock_notes(target: Target, locks: tuple[ArenaLock, ...]) -> tuple[str, ...]:
    """Return a line for each taken mutex: who waits, who holds it, and whether that ends."""
    if not locks:
        return ()
    from gdbheap.analysis.invariants.lock_state import lock_state
    from gdbheap.sentences.facts.said import said

    numbers = {thread.lwp: thread.number for thread in target.process.threads}
    return tuple(f"{_kind(lock)}: {said(lock_state(lock, numbers))}" for lock in locks)


def _kind(lock: ArenaLock) -> str:
    return "deadlock" if lock.is_deadlock else "never unlocked" if lock.is_orphaned else "in mid-operation"
