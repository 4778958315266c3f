"""What stands beside a fault and matters to whoever reads its verdicts: the signal handler that it happened in, a
heap in mid-operation."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.crashes.stacks import alternate_stack
from gdbheap.analysis.facts.signals import AlternateOverflowed, InHandler, MoreHandlers, MutexTaken
from gdbheap.analysis.invariants.lock_state import lock_state
from gdbheap.process.fact import Fact
from gdbheap.process.signal_info import signal_name
from gdbheap.process.stop import Handler

_MOST_HANDLERS = 3


def context(crash: CrashContext) -> Iterator[Fact]:
    """Yield a fact for each."""
    handlers = crash.stop.handlers
    for handler in handlers[:_MOST_HANDLERS]:
        yield _handler(crash, handler)
    more = len(handlers) - _MOST_HANDLERS
    if more > 0:
        yield MoreHandlers(more)
    yield from _left_stack(crash)
    yield from _mutexes(crash)


def _handler(crash: CrashContext, handler: Handler) -> Fact:
    name = "" if handler.signal is None else signal_name(handler.signal)
    alternate = alternate_stack(crash) if handler is crash.stop.handlers[0] else None
    return InHandler(name, handler.function, alternate, handler.interrupted, handler.level + 1)


def _left_stack(crash: CrashContext) -> Iterator[Fact]:
    handler = next(iter(crash.stop.handlers), None)
    pointer = crash.stop.thread.stack_pointer
    if handler is not None and handler.alternate is not None and alternate_stack(crash) == handler.alternate:
        start = handler.alternate[0]
        if pointer < start:
            yield AlternateOverflowed(pointer, start - pointer)


def _mutexes(crash: CrashContext) -> Iterator[Fact]:
    numbers = {thread.lwp: thread.number for thread in crash.process.threads}
    for lock in crash.locks:
        # A deadlock is a verdict.
        if not lock.is_deadlock:
            yield MutexTaken(lock_state(lock, numbers))
