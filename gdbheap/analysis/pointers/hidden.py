"""Words that are no pointers as they stand, but may be hidden ones, kept as memory passes by: all that point to where
blocks may lie once the bits above all addresses are cleared (tags.py), and samples of all others that are no addresses
(encoded.py).

Of the first bytes all words are kept, then one of each few: an array of a thousand words is seen wherever it lies.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gdbheap.kernel.arrays import suits
from gdbheap.kernel.kernel import kernel
from gdbheap.lazy import np
from gdbheap.machine.machine import Machine
from gdbheap.process.address_space import AddressSpace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]
    Places = NDArray[np.intp] | NDArray[np.uint32]

# Where blocks may lie is known in pieces of 4 GiB.
_PIECE_BITS = 32
# Of so many words all are kept, of more one of each _STEP (odd: not in step with what the program does with every so
# many).
_ALL = (6 << 20) // 8
_STEP = 31
# So many samples are sifted together: of words that share their upper bits and their lowest, fewer than _FEWEST tell
# nothing, and of more than _MOST enough is known.
_BATCH = 1 << 18
_FEWEST = 4
_MOST = 256


class Hidden:
    """Takes pieces of memory, and keeps of each the words that may be hidden pointers."""

    def __init__(self, machine: Machine, spans: Iterable[tuple[int, int]]) -> None:
        """Blocks may lie in the [start, end) `spans`."""
        self._machine = machine
        self._pointer_size = machine.pointer_size
        self._address = np.uint64((1 << machine.address_bits) - 1)
        self._may_have_tags = machine.spare_bits > 0
        self._least = 1 << machine.heap_bits
        self._pieces = np.zeros(1 << machine.address_bits - _PIECE_BITS, np.bool_)
        for start, end in spans:
            self._may_have_tags &= end <= 1 << machine.address_bits
            self._pieces[start >> _PIECE_BITS : (end - 1 >> _PIECE_BITS) + 1] = True
        self._places: list[Words] = []
        self._tagged: list[Words] = []
        self._samples: list[Words] = []
        self._pending = self._seen = 0

    def take(self, address: int, words: Words, places: Places, within: Words) -> tuple[Places, Words]:
        """Look at the words, which lie from `address` on; `within` are those at the `places` that Bounds has found.
        Return both without the words that have tags, but for those that the processor ignores: these are taken off."""
        self._sample(words)
        if not self._may_have_tags or not len(within) or within.max() <= self._address:
            return places, within
        near, others, tagged = self._parted(places, untagged(within, self._machine))
        rows = np.flatnonzero(self._pieces[((tagged & self._address) >> np.uint64(_PIECE_BITS)).astype(np.intp)])
        if len(rows):
            self._places.append(np.uint64(address) + others[rows].astype(np.uint64) * np.uint64(self._pointer_size))
            self._tagged.append(tagged[rows])
        return near

    def _parted(self, places: Places, words: Words) -> tuple[tuple[Places, Words], Places, Words]:
        """Return the words without tags (and their places), and the places of the others, and these."""
        fast = kernel()
        if fast is not None and words.dtype == np.uint64 and suits(places, words):
            near = places.astype(np.uint32, copy=False)
            count, others, tagged = fast.part(near, words, int(self._address))
            return (near[:count], words[:count]), others, tagged
        has_tag = words > self._address
        return (places[~has_tag], words[~has_tag]), places[has_tag], words[has_tag]

    def tagged(self) -> tuple[Words, Words]:
        """Return where each word with a tag lies, and the word."""
        none = np.empty(0, np.uint64)
        return np.concatenate([none, *self._places]), np.concatenate([none, *self._tagged])

    def samples(self, space: AddressSpace) -> Words:
        """Return samples of the words that are no address of the process, and no small number either."""
        found = np.concatenate([np.empty(0, np.uint64), *self._samples])
        start = np.array([vma.start for vma in space], np.uint64)
        end = np.array([vma.end for vma in space], np.uint64)
        vma = np.searchsorted(start, found, side="right") - 1
        hidden: Words = found[(vma < 0) | (found >= end[vma])]
        return hidden

    def _sample(self, words: Words) -> None:
        """Keep some of the words."""
        chosen = words if self._seen < _ALL else words[self._seen % _STEP :: _STEP]
        chosen = chosen[chosen >= words.dtype.type(self._least)]
        if self._seen >= _ALL:
            # (What all of a stretch was set to is one word.)
            chosen = chosen[np.flatnonzero(chosen[1:] != chosen[:-1])]
        self._seen += len(words)
        if len(chosen):
            self._samples.append(chosen.astype(np.uint64))
            self._pending += len(chosen)
            if self._pending > _BATCH:
                self._samples = [self._sifted(np.concatenate(self._samples))]
                self._pending = len(self._samples[0]) // 2

    def _sifted(self, words: Words) -> Words:
        """Return what may tell of a key: words of which several are alike in their upper bits and in their lowest,
        and not too many of those."""
        kind = alike(words, self._machine)
        order = np.argsort(kind, kind="stable")
        kind = kind[order]
        first = np.flatnonzero(np.diff(kind, prepend=~kind[:1]) != 0)
        count = np.diff(first, append=len(kind))
        rank = np.arange(len(kind)) - np.repeat(first, count)
        kept = (np.repeat(count, count) >= _FEWEST) & (rank % np.repeat(-(-count // _MOST), count) == 0)
        told: Words = words[order[kept]]
        return told


def untagged(words: Words, machine: Machine) -> Words:
    """Return the words, those that are addresses of programs but for a tag without it (Machine.untagged())."""
    if not machine.tag_bits:
        return words
    plain = words & np.uint64(machine.mask >> machine.tag_bits)
    return np.where(plain < np.uint64(1 << machine.address_bits), plain, words)


def alike(words: Words, machine: Machine) -> Words:
    """Return a number for each word that is the same for those which share their upper bits, and the lowest three:
    blocks are aligned."""
    shared: Words = words >> np.uint64(machine.heap_bits) << np.uint64(3) | words & np.uint64(7)
    return shared
