"""Which of the blocks that were sampled have been freed since. A block whose address is in use at the end may be
another one by then: the more often they are looked at, the surer it is who made it."""

from __future__ import annotations

from collections.abc import Sequence

from gdbheap.inside_gdb.running_memory import RunningMemory
from gdbheap.process.recording import Sample

_FLAGS = 7
_PREV_INUSE, _IS_MMAPPED = 1, 2
# At each time so many of the newest are looked at, and as many of the older ones, in turn.
_AT_ONCE = 192


class FreedSamples:
    """`marks` are the second words of chunks in a tcache (see cached_marks). The process may run meanwhile."""

    def __init__(self, memory: RunningMemory, word: int, marks: frozenset[int]) -> None:
        self._memory = memory
        self._word = word
        self._marks = marks
        self._sizes: dict[int, int] = {}
        # Places among the samples.
        self.freed: set[int] = set()
        self._open: list[int] = []
        self._turn = 0

    def look(self, samples: Sequence[Sample]) -> None:
        """Look which of some samples are freed by now."""
        self._open += range(len(self._sizes), len(samples))
        older, newest = self._open[:-_AT_ONCE], self._open[-_AT_ONCE:]
        begin = self._turn if self._turn < len(older) else 0
        self._turn = begin + _AT_ONCE
        chosen = [*newest, *older[begin : self._turn]]
        seen = {place for place in chosen if self._is_freed(place, samples[place].address)}
        if seen:
            self.freed |= seen
            self._open = [place for place in self._open if place not in seen]

    def _is_freed(self, place: int, mem: int) -> bool:
        words = self._memory.words(mem - 2 * self._word, 4)
        if len(words) < 4:
            self._sizes.setdefault(place, 0)
            return True
        size, mark = words[1], words[3]
        first = self._sizes.setdefault(place, size & ~_FLAGS)
        if mark in self._marks or size & ~_FLAGS != first:
            return True
        if size & _IS_MMAPPED:
            return False
        next_size = self._memory.words(mem + first - self._word, 1)
        return not (len(next_size) and next_size[0] & _PREV_INUSE)
