"""Arenas' mutexes that are taken."""

from __future__ import annotations

from collections.abc import Sequence

from gdbheap.analysis.facts.locks import (
    AllStacksKnown,
    ArenaMutex,
    CallInProgress,
    LockGuess,
    MutexWaitedFor,
    ThreadInside,
    ThreadsCall,
)
from gdbheap.sentences.facts.phrases import Phrases

_MOST_NAMED = 3


def _mutex(fact: ArenaMutex) -> str:
    """Return who waits for the mutex, and who holds it."""
    name = fact.arena
    mutex, one = f"the mutex of arena {name}", len(fact.waiters) == 1
    if not fact.waiters:
        ends = ": whoever wants it next will wait forever" if fact.is_orphaned else ""
        return f"{mutex} is taken, {_holder(fact)}{ends}"
    only = ", the only one," if fact.threads == 1 else ""
    waits = f"{_threads(fact.waiters)}{only} {'waits' if one else 'wait'} for {mutex}"
    if fact.held_by_waiters and one:
        return f"{waits}, which it holds itself{_since(fact.holders[0])}: it will wait forever"
    if fact.held_by_waiters:
        holders = _threads([each.thread for each in fact.holders], "or")
        return f"{waits}, which {holders} holds: they will wait forever"
    ends = f": {'it' if one else 'they'} will wait forever" if fact.deadlock else ""
    return f"{waits}, {_holder(fact)}{ends}"


def _holder(fact: ArenaMutex) -> str:
    if not fact.holders:
        return "and no thread of this process can hold it" if fact.all_seen else "and who holds it cannot be seen"
    held = [f"thread {each.thread} ({_brief(each.calls[0])})" for each in fact.holders[:_MOST_NAMED]]
    more = len(fact.holders) - len(held)
    held += [f"{more:,} more"] if more > 0 else []
    return f"which {' or '.join(held)} holds" if fact.waiters else f"by {' or '.join(held)}"


def _brief(call: CallInProgress) -> str:
    by = f", interrupted by {_handler(call)}" if call.signal_frame is not None else ""
    return f"in {call.inner}{by}"


def _handler(call: CallInProgress) -> str:
    return f"the signal handler {call.handler}" if call.handler else "a signal handler"


def _since(holder: ThreadInside) -> str:
    """Return how the thread came to wait for itself, where a signal did it."""
    held = holder.calls[-1]
    if held.signal_frame is None:
        return f", being in {held.inner} (frame {held.inner_frame}) already"
    return f", since {_handler(held)} interrupted {held.inner} (frame {held.inner_frame})"


def _call(call: CallInProgress) -> str:
    name = f"{call.function} (frame {call.frame})"
    where = name if call.inner == call.function else f"{call.inner} (frame {call.inner_frame}), which {name} called,"
    if call.signal_frame is None:
        return f"{where} has not returned"
    handler = f"{call.handler} (frame {call.signal_frame - 1})" if call.handler else f"frame {call.signal_frame - 1}"
    return f"{where} was interrupted by a signal, which {handler} handles"


def _threads(threads: Sequence[int], joined: str = "and") -> str:
    """Return "thread 1", "threads 1 and 3", "threads 1, 3, 4 and 12 more"."""
    known = sorted(threads)
    shown = [str(each) for each in known[:_MOST_NAMED]]
    if len(known) > _MOST_NAMED:
        shown.append(f"{len(known) - _MOST_NAMED:,} more")
    text = shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} {joined} {shown[-1]}"
    return f"thread{'s' if len(known) > 1 and joined == 'and' else ''} {text}"


def _waited_for(fact: MutexWaitedFor) -> str:
    waits = "wait" if len(fact.waiters) > 1 else "waits"
    waiting = f"; {_threads(fact.waiters)} {waits} in the kernel for it (a futex)" if fact.waiters else ""
    return f"the mutex is at {fact.address:#x}{waiting}"


def _guess(fact: LockGuess) -> str:
    left = "a signal handler that left malloc by longjmp, or a thread that was ended inside malloc"
    fork = (
        "a fork that bypassed libc's (a bare fork or clone system call) while another thread of the parent was in "
        "malloc"
    )
    return f"how that came about is a guess: {f'{fork}; else {left}' if fact.forked else left}"


PHRASES: Phrases = {
    CallInProgress: _call,
    ThreadInside: lambda fact: f"thread {fact.thread}: {'; '.join(map(_call, fact.calls))}",
    ArenaMutex: _mutex,
    MutexWaitedFor: _waited_for,
    ThreadsCall: lambda fact: f"thread {fact.thread}: {_call(fact.call)}",
    AllStacksKnown: (
        "every thread's stack is known to its beginning, and none is in a call of malloc's that could hold it"
    ),
    LockGuess: _guess,
}
