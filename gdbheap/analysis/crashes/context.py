"""What stands beside a fault and matters to whoever reads its verdicts: the signal handler that it happened in, a heap in mid-operation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gdbheap.analysis.call_stacks.in_progress_call import LOCKED
from gdbheap.analysis.crashes.stacks import alternate_stack
from gdbheap.analysis.crashes.verdict import CrashContext
from gdbheap.glibc.naming import arena_name
from gdbheap.process.signal_info import signal_name
from gdbheap.process.stop import Handler

_MOST_HANDLERS = 3


def context(crash: CrashContext, inside: Mapping[int, str]) -> Iterator[str]:
    """Yield a line for each; `inside` are the functions of malloc's that threads are in (by lwp)."""
    handlers = crash.stop.handlers
    for handler in handlers[:_MOST_HANDLERS]:
        yield _handler(crash, handler)
    more = len(handlers) - _MOST_HANDLERS
    if more > 0:
        yield f"and so on: at least {more:,} more handlers further out interrupted each other"
    yield from _left_stack(crash)
    yield from _mutexes(crash, inside)


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
            yield f"the stack pointer {pointer:#x} is {start - pointer:#x} bytes below the alternate stack: it has overflowed"


def _mutexes(crash: CrashContext, inside: Mapping[int, str]) -> Iterator[str]:
    if crash.heap is None:
        return
    own = crash.stop.thread.lwp
    numbers = {thread.lwp: thread.number for thread in crash.process.threads}
    for arena in crash.heap.arenas:
        if arena.value["mutex"] not in LOCKED:
            continue
        holders = [f"thread {numbers.get(lwp, lwp)} is in {name}" for lwp, name in inside.items() if lwp != own]
        own_name = inside.get(own)
        who = f"this thread is in {own_name}" if own_name else ", ".join(holders) or "no thread is seen in malloc"
        yield (
            f"the mutex of arena {arena_name(arena.index)} is held ({who}): what the heap's state tells may be half of a change, and "
            "threads that want the arena wait"
        )
