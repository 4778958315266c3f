"""A thread that waits for an arena's mutex for ever: it holds that itself, or nobody does."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.crashes.verdict import CERTAIN, CrashContext, Verdict
from gdbheap.analysis.invariants.lock_words import lock_facts, lock_sentence


def deadlocks(crash: CrashContext) -> Iterator[Verdict]:
    """Yield each mutex of an arena's that is waited for and can never be given back, whatever stopped the process."""
    numbers = {thread.lwp: thread.number for thread in crash.process.threads}
    for lock in crash.locks:
        if not lock.is_deadlock:
            continue
        first = min(numbers.get(each.lwp, each.lwp) for each in lock.waiters)
        yield Verdict(
            "deadlock_in_malloc",
            CERTAIN,
            lock.address,
            lock_sentence(lock, numbers),
            tuple(lock_facts(lock, numbers)),
            (f"thread {first}", "bt"),
        )
