"""What stands beside a fault and matters to whoever reads its verdicts: the signal handler that it happened in, a heap in mid-operation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gdbheap.analysis.addresses.naming import arena_name
from gdbheap.analysis.corruption.mid_operation import LOCKED
from gdbheap.analysis.faults.stacks import alternate_stack
from gdbheap.analysis.faults.verdict import Scene
from gdbheap.process.signal_info import signal_name
from gdbheap.process.stop import Handler

_MOST_HANDLERS = 3


def context(scene: Scene, inside: Mapping[int, str]) -> Iterator[str]:
    """Yield a line for each; `inside` are the functions of malloc's that threads are in (by lwp)."""
    handlers = scene.stop.handlers
    for handler in handlers[:_MOST_HANDLERS]:
        yield _handler(scene, handler)
    more = len(handlers) - _MOST_HANDLERS
    if more > 0:
        yield f"and so on: at least {more:,} more handlers further out interrupted each other"
    yield from _left_stack(scene)
    yield from _mutexes(scene, inside)


def _handler(scene: Scene, handler: Handler) -> str:
    name = "a signal" if handler.signal is None else signal_name(handler.signal)
    on = ""
    alternate = alternate_stack(scene) if handler is scene.stop.handlers[0] else None
    if alternate is not None:
        on = f", on the alternate stack {alternate[0]:#x}-{alternate[1]:#x}"
    function = f", {handler.function}" if handler.function else ""
    interrupted = f": it interrupted {handler.interrupted}" if handler.interrupted else ""
    return f"this happened in a handler of {name}{function}{on}{interrupted} (frame {handler.level + 1})"


def _left_stack(scene: Scene) -> Iterator[str]:
    handler = next(iter(scene.stop.handlers), None)
    pointer = scene.stop.thread.stack_pointer
    if handler is not None and handler.alternate is not None and alternate_stack(scene) == handler.alternate:
        start = handler.alternate[0]
        if pointer < start:
            yield f"the stack pointer {pointer:#x} is {start - pointer:#x} bytes below the alternate stack: it has overflowed"


def _mutexes(scene: Scene, inside: Mapping[int, str]) -> Iterator[str]:
    if scene.heap is None:
        return
    own = scene.stop.thread.lwp
    numbers = {thread.lwp: thread.number for thread in scene.process.threads}
    for arena in scene.heap.arenas:
        if arena.value["mutex"] not in LOCKED:
            continue
        holders = [f"thread {numbers.get(lwp, lwp)} is in {name}" for lwp, name in inside.items() if lwp != own]
        own_name = inside.get(own)
        who = f"this thread is in {own_name}" if own_name else ", ".join(holders) or "no thread is seen in malloc"
        yield (
            f"the mutex of arena {arena_name(arena.index)} is held ({who}): what the heap's state tells may be half of a change, and "
            "threads that want the arena wait"
        )
