"""What arena_locks() found, in words: who waits, who holds it, whether that ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gdbheap.analysis.invariants.arena_locks import ArenaLock, Busy
from gdbheap.analysis.invariants.calls import Call
from gdbheap.glibc.naming import arena_name

_MOST_NAMED = 3


def lock_sentence(lock: ArenaLock, numbers: Mapping[int, int]) -> str:
    """Return who waits for the mutex, and who holds it; `numbers` are gdb's numbers of threads by lwp."""
    mutex, one = f"the mutex of arena {arena_name(lock.arena)}", len(lock.waiters) == 1
    if not lock.waiters:
        ends = ": whoever wants it next will wait forever" if lock.is_orphaned else ""
        return f"{mutex} is taken, {_holder(lock, numbers)}{ends}"
    only = ", the only one," if lock.threads == 1 else ""
    waits = f"{_threads(lock.waiters, numbers)}{only} {'waits' if one else 'wait'} for {mutex}"
    if lock.is_held_by_waiters and one:
        return f"{waits}, which it holds itself{_since(lock)}: it will wait forever"
    if lock.is_held_by_waiters:
        return f"{waits}, which {_threads(lock.holders, numbers, 'or')} holds: they will wait forever"
    ends = f": {'it' if one else 'they'} will wait forever" if lock.is_deadlock else ""
    return f"{waits}, {_holder(lock, numbers)}{ends}"


def lock_facts(lock: ArenaLock, numbers: Mapping[int, int]) -> Iterator[str]:
    """Yield what speaks for that: the futex, and which calls of malloc's are under way."""
    waits = "wait" if len(lock.waiters) > 1 else "waits"
    waiting = f"; {_threads(lock.waiters, numbers)} {waits} in the kernel for it (a futex)" if lock.waiters else ""
    yield f"the mutex is at {lock.address:#x}{waiting}"
    for each in lock.holders[:_MOST_NAMED]:
        for call in each.calls:
            yield f"thread {numbers.get(each.lwp, each.lwp)}: {_call(call)}"
    if lock.is_orphaned:
        yield "every thread's stack is known to its beginning, and none is in a call of malloc's that could hold it"
        yield _guess(lock)


def _guess(lock: ArenaLock) -> str:
    left = "a signal handler that left malloc by longjmp, or a thread that was ended inside malloc"
    if lock.threads > 1:
        return f"how that came about is a guess: {left}"
    fork = (
        "a fork that bypassed libc's (a bare fork or clone system call) while another thread of the parent was in "
        "malloc"
    )
    return f"how that came about is a guess: {fork}; else {left}"


def _holder(lock: ArenaLock, numbers: Mapping[int, int]) -> str:
    if not lock.holders:
        return "and no thread of this process can hold it" if lock.all_seen else "and it is not seen by whom it is held"
    held = [
        f"thread {numbers.get(each.lwp, each.lwp)} ({_brief(each.calls[0])})" for each in lock.holders[:_MOST_NAMED]
    ]
    more = len(lock.holders) - len(held)
    held += [f"{more:,} more"] if more > 0 else []
    return f"which {' or '.join(held)} holds" if lock.waiters else f"by {' or '.join(held)}"


def _brief(call: Call) -> str:
    handler = f"the signal handler {call.handler}" if call.handler else "a signal handler"
    by = f", interrupted by {handler}" if call.signal_level is not None else ""
    return f"in {call.inner}{by}"


def _since(lock: ArenaLock) -> str:
    """Return how the thread came to wait for itself, where a signal did it."""
    held = lock.holders[0].calls[-1]
    if held.signal_level is None:
        return f", being in {held.inner} (frame {held.inner_level}) already"
    handler = f"the signal handler {held.handler}" if held.handler else "a signal handler"
    return f", since {handler} interrupted {held.inner} (frame {held.inner_level})"


def _call(call: Call) -> str:
    name = f"{call.function} (frame {call.level})"
    where = name if call.inner == call.function else f"{call.inner} (frame {call.inner_level}), which {name} called,"
    if call.signal_level is None:
        return f"{where} is under way"
    handler = f"{call.handler} (frame {call.signal_level - 1})" if call.handler else f"frame {call.signal_level - 1}"
    return f"{where} was interrupted by a signal, which {handler} handles"


def _threads(threads: Sequence[Busy], numbers: Mapping[int, int], joined: str = "and") -> str:
    """Return "thread 1", "threads 1 and 3", "threads 1, 3, 4 and 12 more"."""
    known = sorted(numbers.get(each.lwp, each.lwp) for each in threads)
    shown = [str(each) for each in known[:_MOST_NAMED]]
    if len(known) > _MOST_NAMED:
        shown.append(f"{len(known) - _MOST_NAMED:,} more")
    text = shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} {joined} {shown[-1]}"
    return f"thread{'s' if len(known) > 1 and joined == 'and' else ''} {text}"
