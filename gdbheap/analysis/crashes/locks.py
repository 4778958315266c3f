"""A thread that waits for an arena's mutex for ever: it holds that itself, or nobody does."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.crashes.verdict import CERTAIN, Cause, Verdict
from gdbheap.analysis.invariants.lock_state import lock_facts, lock_state


def deadlocks(crash: CrashContext) -> Iterator[Verdict]:
    """Yield each mutex of an arena's that is waited for and can never be given back, whatever stopped the process."""
    numbers = {thread.lwp: thread.number for thread in crash.process.threads}
    for lock in crash.locks:
        if lock.is_deadlock:
            state = lock_state(lock, numbers)
            evidence, next_steps = tuple(lock_facts(state)), (f"thread {state.waiters[0]}", "bt")
            yield Verdict(Cause.DEADLOCK_IN_MALLOC, CERTAIN, lock.address, state, evidence, next_steps)
