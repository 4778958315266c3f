"""Root words by the variable they lie in: who holds, at the top."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.pointer_graph import PointerGraph
from gdbheap.analysis.pointers.roots import DATA, KERNEL, LOST_TRAIL, MAPPING, REGISTER, STACK
from gdbheap.lazy import dataclass, np, regex

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Kinds of holders, as they are published.
GLOBAL, STATIC, THREAD_LOCAL, LOCAL = "global", "static", "thread_local", "local"
KINDS = (GLOBAL, STATIC, THREAD_LOCAL, DATA, KERNEL, MAPPING, LOST_TRAIL, LOCAL, STACK, REGISTER)
_NUMBER = {kind: number for number, kind in enumerate(KINDS)}
# No variable of this program's lies there: a mapping is one holder, whatever is in it.
_WHOLE = (MAPPING, LOST_TRAIL)
# The C library's own variables hold what it was lent: buffers, arguments of handlers, old words in what it has saved.
# GLib's lead to all that its slices serve.
_C_LIBRARY = regex(r"(libc|libpthread|ld|ld-linux.*|libglib-2\.0)[-.][^/]*|libc's struct pthread.*")


@dataclass(frozen=True)
class Span:
    """A variable: [start, end), its kind, its `name` as people read it, whose `thread` it is (the debugger's number;
    None: all threads'), the number of its type (-1: not known), and the file that it is of ("" unknown)."""

    start: int
    end: int
    kind: str
    name: str
    thread: int | None = None
    type: int = -1
    module: str = ""


@dataclass(frozen=True)
class RootGroup:
    """What holds as one: a variable (`span`), a mapping or a word without a name (`start` is where it begins), or the
    register of that index."""

    kind: str
    start: int
    span: Span | None = None
    register: int | None = None


class RootGroups:
    """Groups by number; `of_word` has the group of each word of PointerGraph.from_roots, `of_register` of each of
    PointerGraph.registers."""

    def __init__(self, held: PointerGraph, spans: Sequence[Span]) -> None:
        """`spans` are in order of address, apart from each other."""
        self._held = held
        self._spans = spans
        place = held.from_roots.place
        start, kind = _of_ranges(held)
        self._span_of = np.full(len(place), -1, np.int64)
        if spans:
            index = np.searchsorted(np.array([each.start for each in spans], np.uint64), place, side="right") - 1
            ends = np.array([each.end for each in spans], np.uint64)
            inside = np.flatnonzero((index >= 0) & (place < ends[np.maximum(index, 0)]))
            which = index[inside]
            self._span_of[inside] = which
            start[inside] = np.array([each.start for each in spans], np.uint64)[which]
            kind[inside] = np.array([_NUMBER[each.kind] for each in spans], np.int8)[which]
        new = np.ones(len(place), np.bool_)
        new[1:] = start[1:] != start[:-1]
        self._first = np.flatnonzero(new)
        self._start, self._kind_of_word = start, kind
        self.of_word = (np.cumsum(new) - 1).astype(np.int32)
        #: Which words are the C library's own, in its data or a thread's storage.
        self.of_c_library = self._in_c_library()
        registers = len(held.registers)
        #: Where each group of words begins, and the type of the variable that it is.
        self.starts = start[self._first]
        spans_of = self._span_of[self._first]
        types = np.array([*(each.type for each in spans), -1], np.int32)
        self.types = types[spans_of]
        self.of_register = np.arange(len(self._first), len(self._first) + registers, dtype=np.int32)

    def __len__(self) -> int:
        return len(self._first) + len(self._held.registers)

    def __getitem__(self, number: int) -> RootGroup:
        if number >= len(self._first):
            index = self._held.registers[number - len(self._first)][0]
            return RootGroup(self._held.roots.registers[index].kind, 0, register=index)
        row = int(self._first[number])
        span = int(self._span_of[row])
        kind = KINDS[int(self._kind_of_word[row])]
        return RootGroup(kind, int(self._start[row]), self._spans[span] if span >= 0 else None)

    def find(self, address: int) -> int | None:
        """Return the number of the group of words that the address lies in, or None."""
        number = int(np.searchsorted(self.starts, np.uint64(address), side="right")) - 1
        if number < 0:
            return None
        group = self[number]
        if group.span is not None:
            return number if address < group.span.end else None
        return number if group.kind in _WHOLE or address == group.start else None

    def _in_c_library(self) -> NDArray[np.bool_]:
        ranges = self._held.roots.ranges
        places = np.searchsorted(
            np.array([each.start for each in ranges], np.uint64), self._held.from_roots.place, "right"
        )
        names = [each.kind == DATA and _is_c_library(os.path.basename(each.name)) for each in ranges]
        spans = [_is_c_library(each.module or each.name) for each in self._spans]
        of_span = np.array([*spans, False], np.bool_)[self._span_of]
        return of_span | np.array([*names, False], np.bool_)[places - 1]

    def kind_of_words(self, *kinds: str) -> NDArray[np.bool_]:
        """Return which words are of one of these kinds."""
        return np.isin(self._kind_of_word, [_NUMBER[kind] for kind in kinds])


def _of_ranges(held: PointerGraph) -> tuple[NDArray[np.uint64], NDArray[np.int8]]:
    """Return for each word where what holds as one with it begins, and its kind, as the root ranges tell."""
    place = held.from_roots.place
    start, kind = place.copy(), np.full(len(place), _NUMBER[MAPPING], np.int8)
    if not held.roots.ranges:
        return start, kind
    begins = np.array([each.start for each in held.roots.ranges], np.uint64)
    kinds = np.array([_NUMBER[each.kind] for each in held.roots.ranges], np.int8)
    index = np.maximum(np.searchsorted(begins, place, side="right") - 1, 0)
    kind = kinds[index]
    whole = np.isin(kind, [_NUMBER[each] for each in _WHOLE])
    start[whole] = begins[index[whole]]
    return start, kind


def _is_c_library(name: str) -> bool:
    return _C_LIBRARY.fullmatch(name) is not None


def apart(preferred: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """Return the preferred ones, and those of the others that do not overlap them, in order of address."""
    kept = _disjoint(preferred)
    starts = [each.start for each in kept]
    rest = []
    for each in _disjoint(others):
        after = bisect_left(starts, each.end)
        if not after or kept[after - 1].end <= each.start:
            rest.append(each)
    return sorted([*kept, *rest], key=lambda each: each.start)


def _disjoint(spans: Sequence[Span]) -> list[Span]:
    """Return them in order; of those that overlap the one that begins first, and of these the largest."""
    kept: list[Span] = []
    for each in sorted(spans, key=lambda span: (span.start, -span.end)):
        if each.start < each.end and (not kept or kept[-1].end <= each.start):
            kept.append(each)
    return kept
