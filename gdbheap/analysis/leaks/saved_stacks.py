"""Stacks that the program has made of malloc's memory, for fibres that wait their turn: what holds such a block is the
stack pointer that was saved when the fibre was left (boost.context, swapcontext(), a switch of the program's own).
It leads to the inside of the block, and a return address lies near above it, or right below (swapcontext() has
returned already).

A stack is filled from its end: what its first words hold says nothing of the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.allocators.blocks import Blocks
from gdbheap.analysis.leaks.interior import from_elsewhere
from gdbheap.errors import MemoryFault
from gdbheap.lazy import np
from gdbheap.process.columns.gather import gather_known
from gdbheap.process.process import Process

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.analysis.pointers.pointer_graph import PointerGraph

    Mask = NDArray[np.bool_]

# No stack is smaller.
_SMALLEST = 1 << 10
# As many words from the one below the stack pointer on are looked at, and as many places of one block, the lowest, and
# in all.
_WINDOW = 40
_MOST_OF_BLOCK = 64
_MOST = 1 << 15
# A context that was never entered lies so near to the end of its stack, and is all addresses of functions.
_FRESH = 1 << 10


class SavedStacks:
    """Tells saved stack pointers from other pointers to the inside of blocks. It remembers what it has looked at."""

    def __init__(self, process: Process, blocks: Blocks) -> None:
        self._process = process
        self._blocks = blocks
        code = [vma for vma in process.address_space if vma.executable]
        self._start = np.array([vma.start for vma in code], np.uint64)
        self._end = np.array([vma.end for vma in code], np.uint64)
        self._longest_call = max(process.machine.calls)
        self._known: dict[int, bool] = {}
        self._returns: dict[int, bool] = {}

    def saved(self, target: NDArray[np.int32], offset: NDArray[np.uint64]) -> Mask:
        """Return which pointers to the `offset` in the `target` blocks are saved stack pointers."""
        word = np.uint64(self._process.pointer_size)
        room = self._blocks.end[target] - self._blocks.start[target]
        found = np.zeros(len(target), np.bool_)
        places = np.flatnonzero((room >= np.uint64(_SMALLEST)) & (offset >= word) & (offset % word == 0))
        address, which = np.unique(self._blocks.start[target[places]] + offset[places], return_inverse=True)
        owner = np.searchsorted(self._blocks.start, address, side="right") - 1
        # The rank of each among those of its block.
        begins = np.searchsorted(owner, owner)
        rank = np.arange(len(owner)) - begins
        looked = np.flatnonzero(rank < _MOST_OF_BLOCK)[:_MOST]
        answers = np.zeros(len(address), np.bool_)
        for index in self._near_code(looked, address, self._blocks.end[owner]).tolist():
            answers[index] = self._is_saved(int(address[index]), int(self._blocks.end[owner[index]]))
        found[places] = answers[which]
        return found

    def among(self, held: PointerGraph, chosen: Mask) -> NDArray[np.int32]:
        """Return which of the `chosen` blocks are stacks, by the pointers into them as they are in memory (what types
        make of these is to the start)."""
        if not chosen.any():
            return np.empty(0, np.int32)
        pointers = from_elsewhere(held.graph, held.from_roots, [each[1:] for each in held.registers])[0]
        here = chosen[pointers.target]
        target, offset = pointers.target[here], pointers.offset[here].astype(np.uint64)
        stacks: NDArray[np.int32] = target[self.saved(target, offset)]
        return stacks

    def _near_code(
        self, rows: NDArray[np.intp], places: NDArray[np.uint64], ends: NDArray[np.uint64]
    ) -> NDArray[np.intp]:
        """Return those of the rows of which the words that are to be looked at may be addresses of code: all are read
        at once, where they are all there."""
        if self._process.machine.signed_bits:
            return rows
        size = self._process.pointer_size
        start = places[rows] - np.uint64(size)
        whole = np.flatnonzero(ends[rows] - start >= np.uint64(_WINDOW * size))
        words, known = gather_known(self._process.memory, size, start[whole], _WINDOW)
        near = np.ones(len(rows), np.bool_)
        near[whole[known]] = self._are_code(words[known].reshape(-1)).reshape(-1, _WINDOW).any(axis=1)
        return rows[near]

    def _is_saved(self, place: int, end: int) -> bool:
        if place not in self._known:
            self._known[place] = self._look(place, end)
        return self._known[place]

    def _look(self, place: int, end: int) -> bool:
        pointer_size = self._process.pointer_size
        start = place - pointer_size
        try:
            words = self._process.words.read_many(start, min(_WINDOW, (end - start) // pointer_size))
        except MemoryFault:
            return False
        values = np.array([self._process.without_signature(each) for each in words.tolist()], np.uint64)
        code = values[self._are_code(values)].tolist()
        if not code or len(code) > len(values) // 2:
            return False
        if end - place <= _FRESH and len(set(code)) > 1:
            return True
        return any(self._is_return(each) for each in code)

    def _are_code(self, values: NDArray[np.uint64]) -> Mask:
        if not len(self._start):
            return np.zeros(len(values), np.bool_)
        index = np.searchsorted(self._start, values, side="right") - 1
        inside: Mask = (index >= 0) & (values < self._end[index])
        return inside

    def _is_return(self, address: int) -> bool:
        """Whether a call ends at the address (or its code cannot be read)."""
        if address not in self._returns:
            try:
                code = self._process.memory.read(address - self._longest_call, self._longest_call)
                self._returns[address] = self._process.machine.code.ends_with_call(code)
            except MemoryFault:
                self._returns[address] = True
        return self._returns[address]
