"""Which of the blocks that were sampled have been freed since. A block whose address is in use at the end may be
another one by then: the more often they are looked at, the surer it is who made it."""

from __future__ import annotations

from collections.abc import Sequence

import gdb

from gdbheap.machine.machine import Machine
from gdbheap.process.recording import Sample

_FLAGS = 7
_PREV_INUSE, _IS_MMAPPED = 1, 2
# So many of the newest are looked at between two calls of a burst.
_NEWEST = 48


class FreedSamples:
    """`marks` are the second words of chunks in a tcache (see cached_marks)."""

    def __init__(self, machine: Machine, marks: frozenset[int]) -> None:
        self._word = machine.pointer_size
        self._marks = marks
        self._sizes: dict[int, int] = {}
        # Places among the samples.
        self.freed: set[int] = set()
        self._open: list[int] = []

    def look(self, samples: Sequence[Sample], at_all: bool) -> None:
        """Look which of the samples (`at_all`: else of the newest) are freed by now."""
        known = len(self._sizes)
        self._open += range(known, len(samples))
        chosen = set(self._open if at_all else self._open[-_NEWEST:])
        for place in sorted(chosen):
            if self._is_freed(place, samples[place].address):
                self.freed.add(place)
        self._open = [place for place in self._open if place not in self.freed]

    def _is_freed(self, place: int, mem: int) -> bool:
        try:
            _, size, _, mark = self._words(mem - 2 * self._word, 4)
            first = self._sizes.setdefault(place, size & ~_FLAGS)
            if mark in self._marks or size & ~_FLAGS != first:
                return True
            return not size & _IS_MMAPPED and not self._words(mem + first - self._word, 1)[0] & _PREV_INUSE
        except gdb.MemoryError:
            self._sizes.setdefault(place, 0)
            return True

    def _words(self, address: int, count: int) -> tuple[int, ...]:
        data = bytes(gdb.selected_inferior().read_memory(address, count * self._word))
        return tuple(int.from_bytes(data[at : at + self._word], "little") for at in range(0, len(data), self._word))
