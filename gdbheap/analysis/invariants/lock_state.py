"""What arena_locks() found, as facts: who waits, who holds the mutex, and what speaks for that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gdbheap.analysis.facts.locks import (
    AllStacksKnown,
    ArenaMutex,
    CallInProgress,
    LockGuess,
    MutexWaitedFor,
    ThreadInside,
    ThreadsCall,
)
from gdbheap.analysis.invariants.arena_locks import ArenaLock, Busy
from gdbheap.analysis.invariants.calls import MallocCall
from gdbheap.glibc.naming import arena_name
from gdbheap.process.fact import Fact

_MOST_TOLD = 3


def lock_state(lock: ArenaLock, numbers: Mapping[int, int]) -> ArenaMutex:
    """Return who waits for the mutex, and who holds it; `numbers` are gdb's numbers of threads by lwp."""
    return ArenaMutex(
        arena_name(lock.arena),
        lock.address,
        tuple(sorted(numbers.get(each.lwp, each.lwp) for each in lock.waiters)),
        tuple(_inside(each, numbers) for each in lock.holders),
        lock.all_seen,
        lock.is_held_by_waiters,
        lock.is_deadlock,
        lock.threads,
    )


def lock_facts(state: ArenaMutex) -> Iterator[Fact]:
    """Yield what speaks for that: the futex, and which calls of malloc's are under way."""
    yield MutexWaitedFor(state.address, state.waiters)
    for each in state.holders[:_MOST_TOLD]:
        for call in each.calls:
            yield ThreadsCall(each.thread, call)
    if state.is_orphaned:
        yield AllStacksKnown()
        yield LockGuess(state.threads == 1)


def _inside(busy: Busy, numbers: Mapping[int, int]) -> ThreadInside:
    return ThreadInside(numbers.get(busy.lwp, busy.lwp), tuple(map(_call, busy.calls)))


def _call(call: MallocCall) -> CallInProgress:
    return CallInProgress(call.function, call.level, call.inner, call.inner_level, call.signal_level, call.handler)
