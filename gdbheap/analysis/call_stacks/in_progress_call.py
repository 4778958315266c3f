"""Heaps that are stopped in mid-operation: a thread is inside malloc or free, and what it works on is not yet whole
again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from gdbheap.analysis.call_stacks.whose_code import is_abort, is_call_of_malloc, is_wait, plain_name
from gdbheap.glibc.heap_view import HeapView
from gdbheap.lazy import dataclass
from gdbheap.process.frame import Frame


@dataclass(frozen=True)
class InProgressCall:
    """`inside` are the threads (lwp -> the function that the program called) inside malloc; `locked` the arenas (by
    index) whose mutex is taken; `arenas` those that may be between two states for it, `threads` those whose
    tcache may."""

    inside: Mapping[int, str]
    locked: tuple[int, ...]
    arenas: frozenset[int]
    threads: frozenset[int]

    def __bool__(self) -> bool:
        return bool(self.inside or self.locked)


def parts(frames: Iterable[Frame]) -> Iterator[Sequence[Frame]]:
    """Yield a thread's frames in parts, the innermost first: what the last signal's handler has called, what that
    signal interrupted, and so on. The frame that the kernel made for a handler is in none; a part may be empty."""
    part: list[Frame] = []
    for frame in frames:
        if frame.is_signal:
            yield part
            part = []
        else:
            part.append(frame)
    yield part


def function_inside(frames: Iterable[Frame]) -> str | None:
    """Return the outermost function of malloc's that the thread is in (the innermost call of them, where a signal
    handler interrupted one), or None where it is in none, waits there for an arena's mutex, or is dying of an
    abort there (the checks that abort look before anything is changed)."""
    return next((name for name in map(_inside, parts(frames)) if name is not None), None)


def _inside(frames: Iterable[Frame]) -> str | None:
    outermost = None
    for frame in frames:
        if is_abort(frame) or is_wait(frame):
            return None
        if is_call_of_malloc(frame):
            outermost = plain_name(frame)
    return outermost


def mid_operation(view: HeapView, inside: Mapping[int, str], all_threads: int, dying: bool = False) -> InProgressCall:
    """Return what may be transient in this view; `inside` as function_inside() tells for each lwp. `dying`: a thread is
    in an abort of malloc's, and the mutex that is taken is the one that it holds.

    A process that has only ever had one thread takes no mutex (since glibc 2.27), so that any arena may be meant.
    """
    locked = tuple(arena.index for arena in view.arenas if arena.is_locked)
    if dying and not inside:
        locked = ()
    arenas = set(locked)
    if inside and (all_threads <= 1 or not locked):
        arenas |= {arena.index for arena in view.arenas}
    return InProgressCall(inside, locked, frozenset(arenas), frozenset(inside))
