"""The first words of every chunk that is walked over, kept as the walk passes: what a block is shows in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gdbheap.kernel.arrays import suits
from gdbheap.kernel.kernel import CompiledLoops, kernel
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The bytes of each chunk's user part that are kept: two words, of a 32-bit process four.
HEAD = 16


class FirstWords:
    """Takes the first words of chunks: an Observer (walk.py)."""

    def __init__(self) -> None:
        # Of each block that was seen: its address, the places of the mems in it, and a row of words for each.
        self._pieces: list[tuple[int, NDArray[np.uint32], NDArray[np.uint64]]] = []

    def see(self, base: int, words: NDArray[np.uint64], mem: NDArray[np.intp]) -> None:
        """Take the first words of the chunks whose user parts begin at the places `mem`; zeros for those behind the
        last word."""
        if not len(mem):
            return
        fast = _kernel_for(words, mem)
        if fast is not None and mem.dtype == np.int64:
            self._pieces.append((base, mem.astype(np.uint32), fast.heads(words, mem)))
            return
        head = np.zeros((len(mem), HEAD // words.itemsize), words.dtype)
        for column in range(head.shape[1]):
            # In order of address: the last alone may lie too near to the end.
            count = int(np.searchsorted(mem, len(words) - column))
            head[:count, column] = words[mem[:count] + column]
        self._pieces.append((base, mem.astype(np.uint32), head))

    def give(self, start: NDArray[np.uint64], head: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Put the first words of the chunks whose mems are `start` (which ascend) into the rows of `head`, and let
        go of all that was taken. Return which rows were known."""
        known = np.zeros(len(start), np.bool_)
        while self._pieces:
            base, places, words = self._pieces.pop()
            fast = _kernel_for(start, head, words)
            if fast is not None:
                fast.give(start, (base, places, words), head, known)
                continue
            mem = np.uint64(base) + places.astype(np.uint64) * np.uint64(words.itemsize)
            first = int(np.searchsorted(start, mem[0]))
            near = start[first : int(np.searchsorted(start, mem[-1], side="right"))]
            place = np.searchsorted(mem, near)
            here = mem[place] == near
            if here.all():
                rows: slice | NDArray[np.intp] = slice(first, first + len(near))
            else:
                rows, place = first + np.flatnonzero(here), place[here]
            head[rows] = words[place]
            known[rows] = True
        return known


def _kernel_for(*arrays: NDArray[Any]) -> CompiledLoops | None:
    """Return the compiled kernel, if it takes such arrays: of 64-bit words."""
    fast = kernel()
    return fast if fast is not None and suits(*arrays) and all(each.itemsize == 8 for each in arrays) else None
