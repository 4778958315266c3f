"""The calls of malloc's that are under way on a thread's stack: one below the other where a signal's handler, or
malloc itself, entered it again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gdbheap.analysis.call_stacks.in_progress_call import parts
from gdbheap.analysis.call_stacks.whose_code import (
    is_abort,
    is_call_of_malloc,
    is_of_libc,
    is_wait,
    may_be_mallocs,
    plain_name,
)
from gdbheap.analysis.facts.aborts import EnteredAgain
from gdbheap.lazy import dataclass, regex
from gdbheap.process.frame import Frame

# What takes an arena's mutex beside those that change the heap: what sums it up, and fork, which holds every mutex
# while it copies the process.
_ALSO_TAKES_MUTEXES = regex(
    r"(__|__libc_|__GI_|_)*(malloc_stats|malloc_info|mallinfo2?|fork|arch_fork)|__malloc_fork_\w+"
)

_INNER_NAMES = regex(r"^(__GI_)?(__libc_|__(?=malloc_stats|malloc_info|mallinfo))?")
# What malloc and calloc leave for by a jump where the tcache does not serve (from 2.42 on).
_SECOND_HALVES = {"malloc2": "malloc", "calloc2": "calloc"}


@dataclass(frozen=True)
class MallocCall:
    """A call of malloc's. `function` is what was called ("malloc"), in frame `level`; `inner` the innermost of its
    functions ("_int_malloc"), in frame `inner_level`. `waits`: it waits there for a mutex of libc's.

    `handler` is the function that handles the signal that interrupted it, "" where none did or its name is not
    known; `signal_level` is the frame that the kernel made for that one (None: no signal interrupted it). `changes`:
    it is one that changes the heap. `aborts`: it has found the heap corrupt, and is in abort().
    """

    function: str
    level: int
    inner: str
    inner_level: int
    waits: bool
    changes: bool
    aborts: bool
    handler: str = ""
    signal_level: int | None = None


def calls_under_way(frames: Iterable[Frame]) -> tuple[MallocCall, ...]:
    """Return a thread's calls of malloc's, the innermost first."""
    found: list[MallocCall] = []
    handler: str = ""
    level: int | None = None
    for part in parts(frames):
        found += _calls(part, handler, level)
        if part:
            handler, level = plain_name(part[-1]), part[-1].level + 1
    return tuple(found)


def _calls(part: Sequence[Frame], handler: str, signal_level: int | None) -> Iterator[MallocCall]:
    """Yield the calls of one part. What libc calls in between has another name: malloc that stands further out has
    then been entered again, from a hook of its own or from what writes to a stream."""
    run: list[Frame] = []
    waits = aborts = False
    for frame in part:
        if _is_part_of_call(frame):
            run.append(frame)
        elif not run and (is_wait(frame) or is_abort(frame)):
            waits, aborts = waits or is_wait(frame), aborts or is_abort(frame)
        elif not (is_of_libc(frame) and not frame.function):
            if run:
                yield _call(run, waits, aborts, handler, signal_level)
            run, waits, aborts = [], False, False
    if run:
        yield _call(run, waits, aborts, handler, signal_level)


def _is_part_of_call(frame: Frame) -> bool:
    name = plain_name(frame)
    return is_call_of_malloc(frame) or (may_be_mallocs(frame) and _ALSO_TAKES_MUTEXES.fullmatch(name) is not None)


def _call(run: Sequence[Frame], waits: bool, aborts: bool, handler: str, signal_level: int | None) -> MallocCall:
    inner, outer = run[0], run[-1]
    changes = any(is_call_of_malloc(each) for each in run)
    names = public_name(plain_name(outer)), public_name(plain_name(inner))
    return MallocCall(names[0], outer.level, names[1], inner.level, waits, changes, aborts, handler, signal_level)


def public_name(name: str) -> str:
    """Return the name that programs call a function of libc's by: "malloc" for "__GI___libc_malloc"."""
    plain = _INNER_NAMES.sub("", name)
    return _SECOND_HALVES.get(plain, plain)


def entered_again(frames: Iterable[Frame]) -> tuple[MallocCall, MallocCall] | None:
    """Return the call of malloc's that the thread is in, and the one that was being changed by when a signal's
    handler made it: malloc is not to be called from there, and works on a heap between two states. None where it
    is not so."""
    first, *outer = calls_under_way(frames) or (None,)
    if first is None or first.signal_level is not None or not first.changes:
        return None
    found = next((each for each in outer if each is not None and _is_half_done(each)), None)
    return None if found is None else (first, found)


def _is_half_done(call: MallocCall) -> bool:
    return call.signal_level is not None and call.changes and not call.waits and not call.aborts


def how_entered(inner: MallocCall, outer: MallocCall) -> EnteredAgain:
    """Return how malloc came to be entered again."""
    return EnteredAgain(outer.handler, outer.inner, outer.function, outer.inner_level, inner.function, inner.level)
