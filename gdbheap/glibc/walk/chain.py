"""The chain of chunk headers in a buffer: each size word leads to the next. Taken one by one, or all at once where
chunks lie close.

All at once: of the places where a header could be, most hold no possible size, and those that do but that no other
leads to are user data or left-overs of chunks that malloc has since merged. What is left is sorted, and each leads
to the one behind it: that is the chain, and the proof of it. Where it is not so plain (long left-over chains), the
runs that hold together are followed from end to end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.glibc.chunk_table import IS_MMAPPED
from gdbheap.glibc.layout import Layout
from gdbheap.kernel.arrays import suits
from gdbheap.kernel.kernel import kernel
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Places = NDArray[np.intp]

# Rounds of leaving out what nobody leads to: two are enough for almost all that is no header.
_ROUNDS = 2


class Chain:
    """Finds the size words of one chunk after another in a buffer of words. It holds the working space: one for each
    walk."""

    def __init__(self, layout: Layout, most_words: int) -> None:
        self._pointer_size = layout.pointer_size
        self._min_size = layout.min_size
        self._misaligned = (layout.alignment - 1) & ~7
        self._unit = layout.alignment // layout.pointer_size
        self._shift = layout.alignment.bit_length() - 1
        self._type = np.dtype(f"u{layout.pointer_size}")
        slots = most_words // self._unit + 1
        self._above = np.empty(slots, self._type)
        self._possible = np.empty(slots, np.bool_)
        self._led_to = np.empty(slots + 1, np.bool_)
        self._rows = np.empty(0, np.int64)

    def step(self, words: memoryview, position: int, bound: int) -> tuple[list[int], int]:
        """Follow the chain from the size word at index `position` one by one.

        Return the indices of the size words of chunks before `bound`, and where the next one lies: at or past
        `bound`, or no chunk's.
        """
        found: list[int] = []
        append = found.append
        min_size, misaligned, words_per_eight = self._min_size, self._misaligned, 8 // self._pointer_size
        while position < bound:
            raw = words[position]
            if raw < min_size or raw & misaligned:
                break
            append(position)
            position += (raw >> 3) * words_per_eight
        return found, position

    def run(self, words: NDArray[np.uint64], bound: int, limit: int) -> tuple[Places, int] | None:
        """Do as leap(), by the compiled kernel, whatever the words are; None where there is none for them."""
        fast = kernel(len(words))
        if fast is None or self._pointer_size != 8 or not suits(words):
            return None
        if len(self._rows) < len(words):
            self._rows = np.empty(len(words), np.int64)
        found, position = fast.chain(words, (1, bound), (self._min_size, self._misaligned), self._rows)
        if found and position > limit + 1:
            found -= 1
            position = int(self._rows[found])
        return self._rows[:found].copy(), position

    def leap(self, words: NDArray[np.uint64], bound: int, limit: int) -> tuple[Places, int]:
        """Follow the chain from the size word at index 1, all at once, as far as it can be proved so; no chunk reaches
        past word `limit`.

        Return the indices of the size words of chunks before `bound`, and where the next one lies: from there it is
        for step() to go on.
        """
        slots, onward = self._candidates(words, bound, limit // self._unit)
        if not len(slots) or slots[0]:
            return np.empty(0, np.intp), 1
        for _ in range(_ROUNDS):
            if (onward[:-1] == slots[1:]).all():
                break
            led_to = self._led_to
            led_to.fill(False)
            led_to[0] = True
            led_to[np.minimum(onward, len(led_to) - 1)] = True
            kept = led_to[slots]
            slots, onward = slots[kept], onward[kept]
        last, slots = _from_the_first(slots, onward)
        return 1 + slots * self._unit, 1 + int(onward[last]) * self._unit

    def _candidates(self, words: NDArray[np.uint64], bound: int, limit: int) -> tuple[Places, Places]:
        """Return the slots (the places where a header could be, numbered from the first) that hold the size of a
        chunk of an arena, and the slots where those chunks end, none past `limit`."""
        sizes = words[1 : bound : self._unit]
        kind = self._type.type
        least = self._min_size
        # What is too small wraps round: one comparison serves both ends.
        above = np.subtract(sizes, kind(least), out=self._above[: len(sizes)])
        most = min((limit << self._shift | 7) - least + 1, int(np.iinfo(self._type).max))
        slots = np.flatnonzero(np.less(above, kind(max(most, 0)), out=self._possible[: len(sizes)]))
        raw = sizes[slots]
        onward = slots + (raw >> kind(self._shift)).astype(np.intp)
        good = ((raw & kind(self._misaligned | IS_MMAPPED)) == 0) & (onward <= limit)
        return slots[good], onward[good]


def _from_the_first(slots: Places, onward: Places) -> tuple[int, Places]:
    """Return the row of the last slot on the chain from the first, and the slots on it."""
    breaks = np.flatnonzero(onward[:-1] != slots[1:])
    if not len(breaks):
        return len(slots) - 1, slots
    # A run ends at a break; the next begins where that leads to, if a slot is there.
    aim = onward[breaks]
    start = np.minimum(np.searchsorted(slots, aim), len(slots) - 1)
    end = np.append(breaks, len(slots) - 1)
    run = np.where(slots[start] == aim, np.searchsorted(breaks, start), -1).tolist()
    on_chain, at = [], 0
    while at >= 0:
        on_chain.append(at)
        at = run[at] if at < len(run) else -1
    lasts = end[on_chain]
    firsts = np.concatenate(([0], start[on_chain[:-1]]))
    edges = np.zeros(len(slots) + 1, np.int8)
    edges[firsts] += 1
    edges[lasts + 1] -= 1
    return int(lasts[-1]), slots[np.cumsum(edges[:-1], dtype=np.int8).astype(np.bool_)]
