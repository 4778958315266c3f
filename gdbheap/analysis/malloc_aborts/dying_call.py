"""The call that died: which frames of the dying thread are malloc's, which one called it, and the values that these
still hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gdbheap.analysis.call_stacks.whose_code import (
    ABORT,
    is_library_code,
    is_machinery,
    is_named_as_mallocs,
    is_of_libc,
    is_of_malloc,
    is_operator,
)
from gdbheap.analysis.facts.passed import ArgumentOf, ByTheCall, OnDyingStack, RegisterOf
from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.errors import MemoryFault
from gdbheap.lazy import dataclass
from gdbheap.process.fact import Fact
from gdbheap.process.frame import Frame, Passed

# Names that malloc's functions give to chunks, and to what the user has.
_CHUNKS = ("p", "oldp", "victim", "nextchunk", "chunk")
_MEMS = ("mem", "oldmem", "ptr", "e", "tmp")
# Those of them that call a chunk `ptr`.
_TAKE_CHUNKS = ("arena_for_chunk", "heap_for_ptr")
# Where a candidate was found: in malloc's own arguments, in the call itself, and where anything may be.
OF_MALLOC, OF_CALL, OF_CALLER, OF_REGISTER, OF_STACK = "malloc", "call", "caller", "register", "stack"
# Frames from the abort outwards that are malloc's, and how much of their stack is looked through.
_MOST_FRAMES = 16
_MOST_STACK = 4096


@dataclass(frozen=True)
class Candidate:
    """A chunk that the dying call may be about. `source` is one of OF_; `how` says where it was found."""

    chunk: int
    source: str
    how: Fact


def dying_part(frames: Sequence[Frame]) -> Sequence[Frame]:
    """Return the frames from the abort() on that libc itself called: a handler of SIGABRT that aborts once more lies
    further in. All frames where there is no such call."""
    for index, (frame, caller) in enumerate(zip(frames, frames[1:])):
        if frame.function in ABORT and is_machinery(caller):
            return frames[index:]
    return frames


def outside(frames: Sequence[Frame]) -> int | None:
    """Return the index of the frame that called malloc (or free, ...): the first beyond libc's and C++'s operators;
    None where no name tells."""
    in_libc = has_printed = False
    for index, frame in enumerate(frames):
        # Where libc is a library, what is in no library is the program, though nothing may be named there.
        in_libc = in_libc or (bool(frame.library) and is_of_libc(frame))
        has_printed = has_printed or frame.function.startswith("malloc_printerr")
        if has_printed and not frame.library and is_named_as_mallocs(frame):
            continue  # in a program that libc is linked into, right behind malloc's own
        known = frame.function or frame.library or in_libc
        if known and not (is_machinery(frame) or is_of_malloc(frame) or is_operator(frame)):
            return index
    return None


def calling_frame(frames: Sequence[Frame]) -> Frame | None:
    """Return the frame of the program's that called malloc (through C++'s library, perhaps), or None where no name
    tells."""
    index = outside(frames)
    if index is None:
        return None
    return next((each for each in frames[index:] if not is_library_code(each)), frames[index])


def passing_frame(frames: Sequence[Frame]) -> int | None:
    """Return the index of the frame that called malloc's function or C++'s operator itself: libc's own code may
    stand between it and the program's. None where no name tells."""
    index = outside(frames)
    if index is None:
        return None
    inner = (at for at in range(index - 1, -1, -1) if is_of_malloc(frames[at]) or is_operator(frames[at]))
    return next(inner, index - 1) + 1


def is_in_realloc(frames: Sequence[Frame]) -> bool:
    """Whether it was realloc that the program called, as names tell."""
    index = outside(frames)
    return any(is_of_malloc(each) and "realloc" in each.function for each in frames[:index] if index is not None)


def candidates(heap: CheckedHeap, frames: Sequence[Frame]) -> Iterator[Candidate]:
    """Yield what the call may be about, the surest first. A value may be a chunk's address or a mem."""
    header = heap.layout.header
    ours = list(frames[:_MOST_FRAMES])
    index = outside(ours)
    inner = ours[:index]
    passing = passing_frame(ours)
    caller = ours[passing] if passing is not None and passing < len(ours) else None
    if caller is not None:
        for each in caller.passed:
            yield Candidate(each.value - header, OF_CALL, how_passed(caller, each))
    yield from _of_malloc(inner, header)
    calling = calling_frame(ours)
    for frame in () if index is None or calling is None else ours[index : ours.index(calling) + 1]:
        for name in sorted(frame.pointers):
            yield Candidate(frame.arguments[name] - header, OF_CALLER, ArgumentOf(name, frame.function))
    seen: set[int] = set()
    for frame in ours[: len(ours) if index is None else index + 1]:
        for name, value in frame.registers.items():
            if value not in seen and value > header:
                seen.add(value)
                where = RegisterOf(name, frame.level, frame.function)
                yield from _as_either(heap, value, OF_REGISTER, where)
    yield from _on_the_stack(heap, inner, seen)


def given_to_malloc(frames: Sequence[Frame], header: int) -> Candidate | None:
    """Return the chunk that malloc's own functions were given, where debug information of libc tells one; `header` is
    what lies in front of a mem."""
    ours = frames[:_MOST_FRAMES]
    return next(_of_malloc(ours[: outside(ours)], header), None)


def how_passed(caller: Frame, passed: Passed) -> Fact:
    """Return where a call's argument was found."""
    return ByTheCall(
        caller.function, None if caller.function else caller.program_counter, passed.expression, passed.by_code
    )


def _of_malloc(frames: Sequence[Frame], header: int) -> Iterator[Candidate]:
    """Yield the chunks that malloc's own functions were given, where debug information tells."""
    for frame in frames:
        for name, value in frame.arguments.items():
            is_chunk = name in _CHUNKS or (name in _MEMS and frame.function.startswith(_TAKE_CHUNKS))
            if is_chunk or name in _MEMS:
                how = ArgumentOf(name, frame.function)
                yield Candidate(value - (0 if is_chunk else header), OF_MALLOC, how)


def _as_either(heap: CheckedHeap, value: int, source: str, where: Fact) -> Iterator[Candidate]:
    """Yield the value as a mem, and as a chunk's address: not where it is the mem of a block, and no chunk begins
    there."""
    mem = value - heap.layout.header
    yield Candidate(mem, source, where)
    if heap.table.row_of(mem) is None or heap.table.row_of(value) is not None:
        yield Candidate(value, source, where)


def _on_the_stack(heap: CheckedHeap, frames: Sequence[Frame], seen: set[int]) -> Iterator[Candidate]:
    if not frames:
        return
    # The frames next to the caller's are those that had the pointer; what lies further in is printing and aborting.
    end = max(frame.stack_pointer for frame in frames) + 128
    start = max(frames[0].stack_pointer, end - _MOST_STACK)
    try:
        words = heap.words.read_many(start, (end - start) // heap.layout.pointer_size)
    except MemoryFault:
        return
    for index, value in enumerate(words):
        if value not in seen and heap.view.chunk_at(value) is not None:
            seen.add(value)
            where = OnDyingStack(start + index * heap.layout.pointer_size)
            yield from _as_either(heap, value, OF_STACK, where)
