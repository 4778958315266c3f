"""Which of the blocks that were sampled have been freed since. A block whose address is in use at the end may be
another one by then: the more often they are looked at, the surer it is who made it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gdbheap.inside_gdb.glances import Glances
from gdbheap.inside_gdb.running_memory import RunningMemory
from gdbheap.lazy import np
from gdbheap.process.recording import Sample

_FLAGS, _SIZE = 7, 0xFFFFFFF8
_PREV_INUSE, _IS_MMAPPED = 1, 2
# At each time so many of the newest are looked at, and as many of the older ones, in turn.
_AT_ONCE = 192
# Each glance is at so many of the newest.
_GLANCED_AT = 500
# What a block holds is known by so many words at its beginning.
_KNOWN_BY = 4
# Chunks of this size and more may be mappings of their own, which end with them.
_LARGE = 0x20000


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
        self._opened = 0
        self._turn = 0
        # The newest ones, which are glanced at.
        self._newest: list[int] = []
        self._glances: Glances | None = None
        self._at_first: Any = None
        # By sample, the first words of its block soon after it was made.
        self._held: dict[int, memoryview] = {}

    def look(self, samples: Sequence[Sample]) -> None:
        """Look which of some samples are freed by now."""
        self._open += range(self._opened, len(samples))
        self._opened = len(samples)
        older, newest = self._open[:-_AT_ONCE], self._open[-_AT_ONCE:]
        begin = self._turn if self._turn < len(older) else 0
        self._turn = begin + _AT_ONCE
        chosen = [*newest, *older[begin : self._turn]]
        self._are_freed(place for place in chosen if self._is_freed(place, samples[place].address))

    def get_ready(self, samples: Sequence[Sample]) -> None:
        """Get ready for glance(); the process stands still."""
        self.look(samples)
        word, number = self._word, np.dtype(f"u{self._word}").type
        newest = self._open[-_GLANCED_AT:]
        headers = [(samples[each].address - word, word) for each in newest]
        sizes = np.frombuffer(Glances(self._memory.pid, headers).now(), number) & number(_SIZE)
        chosen = [(each, size) for each, size in zip(newest, sizes.tolist()) if 0 < size < _LARGE]
        self._newest = [each for each, _ in chosen]
        begins = [(samples[each].address - word, 3 * word) for each in self._newest]
        ends = [(samples[each].address + size - word, word) for each, size in chosen]
        for each, size in chosen:
            if each not in self._held:
                self._held[each] = self._memory.words(samples[each].address, min(_KNOWN_BY, size // word - 1))
        self._glances = Glances(self._memory.pid, [*begins, *ends])
        self._at_first = np.array([size for _, size in chosen], number)

    def glance(self) -> None:
        """See which of the newest samples are free at this moment."""
        data = b"" if self._glances is None else self._glances.now()
        if not len(data):
            return
        count = len(self._newest)
        words = np.frombuffer(data, self._at_first.dtype)
        size, _, mark = words[: 3 * count].reshape(-1, 3).T
        free = (words[3 * count :] & _PREV_INUSE == 0) | (size & _SIZE != self._at_first)
        for each in self._marks:
            free |= mark == each
        if free.any():
            self._are_freed([place for place, is_free in zip(self._newest, free.tolist()) if is_free])

    def rewritten(self, samples: Sequence[Sample]) -> set[int]:
        """Return the places of those samples, of which none was seen free, whose blocks hold less than half of the
        first words that they held soon after they were made."""
        found = set()
        for place, before in self._held.items():
            told = sum(map(bool, before))
            now = self._memory.words(samples[place].address, len(before))
            if told and 2 * sum(1 for old, new in zip(before, now) if old and old == new) < told:
                found.add(place)
        return found - self.freed

    def _are_freed(self, places: Iterable[int]) -> None:
        seen = set(places)
        if seen - self.freed:
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
