"""What stands beside a fault and matters to whoever reads its verdicts: the signal handler that it happened in, a
heap in mid-operation."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.crashes.stacks import alternate_stack
from gdbheap.analysis.crashes.verdict import CrashContext
from gdbheap.analysis.invariants.lock_words import lock_sentence
from gdbheap.process.signal_info import signal_name
from gdbheap.process.stop import Handler

_MOST_HANDLERS = 3


def context(crash: CrashContext) -> Iterator[str]:
    """Yield a line for each."""
    handlers = crash.stop.handlers
    for handler in handlers[:_MOST_HANDLERS]:
        yield _handler(crash, handler)
    more = len(handlers) - _MOST_HANDLERS
    if more > 0:
        yield f"and so on: at least {more:,} more handlers further out interrupted each other"
    yield from _left_stack(crash)
    yield from _mutexes(crash)


def _handler(crash: CrashContext, handler: Handler) -> str:
    name = "a signal" if handler.signal is None else signal_name(handler.signal)
    on = ""
    alternate = alternate_stack(crash) if handler is crash.stop.handlers[0] else None
    if alternate is not None:
        on = f", on the alternate stack {alternate[0]:#x}-{alternate[1]:#x}"
    function = f", {handler.function}" if handler.function else ""
    interrupted = f": it interrupted {handler.interrupted}" if handler.interrupted else ""
    return f"this happened in a handler of {name}{function}{on}{interrupted} (frame {handler.level + 1})"


def _left_stack(crash: CrashContext) -> Iterator[str]:
    handler = next(iter(crash.stop.handlers), None)
    pointer = crash.stop.thread.stack_pointer
    if handler is not None and handler.alternate is not None and alternate_stack(crash) == handler.alternate:
        start = handler.alternate[0]
        if pointer < start:
            yield (
                f"the stack pointer {pointer:#x} is {start - pointer:#x} bytes below the alternate stack: it has "
                "overflowed"
            )


def _mutexes(crash: CrashContext) -> Iterator[str]:
    numbers = {thread.lwp: thread.number for thread in crash.process.threads}
    for lock in crash.locks:
        # A deadlock is a verdict.
        if not lock.is_deadlock:
            yield f"{lock_sentence(lock, numbers)}; the arena may be between two states"
