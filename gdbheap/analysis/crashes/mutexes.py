"""The mutex that a function of pthread_mutex_*() was given, one of whose assertions has failed: where it is, and what
was done to its block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.facts.aborts import MutexAt
from gdbheap.lazy import regex
from gdbheap.machine.stopped import CodeLines
from gdbheap.process.fact import Fact
from gdbheap.process.frame import Frame, Passed
from gdbheap.process.process import Process
from gdbheap.process.symbols import SymbolAt

# Under the names that symbol tables give them; pthread_cond_wait() takes its mutex again by one of its own.
_TAKE_MUTEXES = regex(r"_*(GI_+)?pthread_mutex_\w+")


class LockSource(Protocol):
    """What tells of calls: gdb (session/target.py says what each returns)."""

    @property
    def process(self) -> Process: ...

    @property
    def code_at(self) -> Callable[[int], CodeLines]: ...

    @property
    def symbol_at(self) -> SymbolAt: ...


def with_mutex(source: LockSource, frames: Sequence[Frame]) -> tuple[Frame, ...]:
    """Return the frames, with the mutex in that one which passed it to a function of pthread_mutex_*(), where the
    code before the call tells which it was."""
    at = _passing(frames)
    if at is None or at >= len(frames):
        return tuple(frames)
    code = source.process.machine.code
    reader = code.call_reader(source.process, source.code_at, source.symbol_at, _TAKE_MUTEXES)
    mutex = reader.first_argument(frames, at)
    passed = () if mutex is None else (Passed(mutex, by_code=True),)
    return (*frames[:at], replace(frames[at], passed=passed), *frames[at + 1 :])


def failed_mutex(frames: Sequence[Frame]) -> int | None:
    """Return the mutex that a function of pthread_mutex_*() among the frames was given; None where that is not
    known."""
    at = _passing(frames)
    if at is None:
        return None
    known = frames[at - 1].arguments.get("mutex")
    passed = frames[at].passed if at < len(frames) else ()
    return known or (passed[0].value if passed else None)


def _passing(frames: Sequence[Frame]) -> int | None:
    """Return the index behind the innermost functions of pthread_mutex_*(): the frame that called them."""
    is_inside = [_TAKE_MUTEXES.match(each.function) is not None for each in frames]
    if True not in is_inside:
        return None
    first = is_inside.index(True)
    return is_inside.index(False, first) if False in is_inside[first:] else len(frames)


def around_mutex(crash: CrashContext, mutex: int) -> tuple[Fact, ...]:
    """Return where the mutex is: in which block, and whether that has been freed."""
    chunk, symbol = crash.chunk(mutex), crash.symbol_at(mutex) or None
    if chunk is None or crash.heap is None:
        return (MutexAt(mutex, symbol, None, None, False), *crash.surroundings(mutex)[: not symbol])
    offset = mutex - chunk.address - crash.heap.layout.header
    return (MutexAt(mutex, symbol, offset, crash.in_chunk(chunk), chunk.state.is_free),)
