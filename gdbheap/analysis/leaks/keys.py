"""Keys: which numbers turn words into the starts of lost blocks when they are XORed with them, too often for a
chance."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.hidden import alike
from gdbheap.kernel.arrays import suits
from gdbheap.kernel.kernel import kernel
from gdbheap.lazy import np
from gdbheap.machine.machine import Machine
from gdbheap.process.columns.distinct import are_among, distinct

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]
    Mask = NDArray[np.bool_]

# The fewest lost blocks that can tell of a key.
_FEWEST = 8
# Words with the same upper bits are tried together: the largest such groups, and some words of each.
_MOST_GROUPS = 64
_MOST_WORDS = 1024
_SEEDS = 3
_MOST_SEEDS = 12
# As many (seed, block) pairs are tried for a group at most, and for all.
_MOST_TRIALS = 1 << 20
_MOST_TRIALS_IN_ALL = 1 << 23
# The keys of one seed are held against further words: after so many, only those with so many hits are kept.
_ROUNDS = ((2, 1), (2, 3), (4, 6))
# A table of addresses has at most so many bits' places.
_MOST_BITS = 24
# Bits of evidence against chance, beyond those for the number of keys that were tried.
_EVIDENCE = 40.0
_PURE = 0.9
# So many other keys, those with the most hits, are held against one that was found.
_MOST_RIVALS = 64
# Of the words that a key turns into starts of blocks, so many may lead to blocks that are not lost.
_LEDGER = 0.02


def find_keys(hidden: Words, starts: StartTable, everything: Words, machine: Machine) -> list[int]:
    """Return the keys that turn hidden words into `starts` too often for a chance, and hardly ever into others of
    `everything`."""
    if len(starts) < _FEWEST:
        return []
    values = distinct(hidden)
    # Blocks are aligned: their encoded pointers differ in no low bit.
    kind = alike(values, machine)
    values, kind = (each[np.argsort(kind, kind="stable")] for each in (values, kind))
    first = np.flatnonzero(np.diff(kind, prepend=~kind[:1]) != 0)
    count = np.diff(first, append=len(values))
    keys: list[int] = []
    blocks: StartTable | None = None
    tried, each = 0, min(len(starts) * _SEEDS, _MOST_TRIALS)
    for group in np.argsort(-count, kind="stable").tolist():
        if count[group] < _FEWEST or tried == _MOST_GROUPS or tried * each >= _MOST_TRIALS_IN_ALL:
            break
        words = values[first[group] : first[group] + count[group]]
        if any(starts.holds(words ^ np.uint64(key)).any() for key in keys):
            continue
        tried += 1
        # Shuffled, always alike, so that the words tried together are not neighbours, and no regular choice of blocks.
        words = words[np.argsort(_mixed(words))[:_MOST_WORDS]]
        key = _key_of_group(words, starts)
        if key and key not in keys and not _is_ledger(words ^ np.uint64(key), starts, everything):
            blocks = blocks or StartTable(everything)
            if not _is_outdone(words, key, blocks):
                keys.append(key)
    return keys


def _mixed(words: Words) -> Words:
    """Return a number for each word that tells nothing of its neighbours' (numpy's own random numbers are slow to
    import)."""
    for shift in (31, 29, 32):
        words = (words ^ words >> np.uint64(shift)) * np.uint64(0x9FB2_1C65_1E98_DF25)
    return words


def _is_ledger(decoded: Words, starts: StartTable, everything: Words) -> bool:
    """Whether the words lead to blocks that are held otherwise as well: to more than a few, or to the same part of
    those as of the lost ones."""
    hits = int(np.count_nonzero(starts.holds(decoded)))
    others = len(everything) - len(starts)
    elsewhere = int(np.count_nonzero(are_among(decoded, everything))) - hits
    return elsewhere > _LEDGER * hits or 2 * elsewhere * len(starts) > hits * others > 0


def _is_outdone(words: Words, key: int, blocks: StartTable) -> bool:
    """Whether another key turns more of the words into starts of blocks, lost or not: that is theirs. (Where blocks
    lie in rows, a ledger's key with a few bits changed turns the notes on some into the starts of others.)"""
    own = np.count_nonzero(blocks.holds(words ^ np.uint64(key)))
    for keys, hits in _candidates(words, blocks):
        for rival in keys[np.argsort(-hits, kind="stable")[:_MOST_RIVALS]]:
            if np.count_nonzero(blocks.holds(words ^ rival)) > own:
                return True
    return False


def _key_of_group(words: Words, starts: StartTable) -> int:
    """Return the key of these words; 0 where they have none."""
    for keys, hits in _candidates(words, starts):
        best = int(keys[np.argmax(hits)])
        if _evidence(words ^ np.uint64(best), starts) > _EVIDENCE + math.log2(len(starts) + 1):
            return best
    return 0


def _candidates(words: Words, starts: StartTable) -> Iterator[tuple[Words, NDArray[np.intp]]]:
    """Yield for one word after the other the keys that turn it and enough of some others into starts, and how many."""
    step = math.ceil(len(starts) * _SEEDS / _MOST_TRIALS)
    targets = starts.address[::step]
    for seed in range(min(_SEEDS * step, _MOST_SEEDS, len(words))):
        keys = targets ^ words[seed]
        hits = np.zeros(len(keys), np.uint8)
        at = _SEEDS
        for more, least in _ROUNDS:
            for each in words[at : at + more].tolist():
                starts.add_hits(keys, each, hits)
            at += more
            kept = hits >= min(least, max(len(words) - _SEEDS, 1))
            keys, hits = keys[kept], hits[kept]
        if len(keys):
            yield keys, hits.astype(np.intp)


class StartTable:
    """Addresses, ascending, and which words are among them: a table by some bits of the address leaves few to be
    searched for."""

    def __init__(self, address: Words) -> None:
        self.address = address
        self._bits = min(max(len(address).bit_length() + 5, 10), _MOST_BITS)
        self._mask = np.uint64((1 << self._bits) - 1)
        self._compiled = kernel(len(address))

    def __len__(self) -> int:
        return len(self.address)

    @cached_property
    def _held(self) -> Mask:
        held = np.zeros(1 << self._bits, np.bool_)
        held[self._slot(self.address)] = True
        return held

    @cached_property
    def _marked(self) -> Words:
        """The same for the kernel: a bit each."""
        assert self._compiled is not None
        return self._compiled.marked(self.address, self._bits)

    def holds(self, words: Words) -> Mask:
        """Return which words are among the addresses."""
        hits = np.zeros(len(words), np.uint8)
        self.add_hits(words, 0, hits)
        return hits.astype(np.bool_)

    def add_hits(self, words: Words, key: int, hits: NDArray[np.uint8]) -> None:
        """Add one to the hits of each word that, XORed with the key, is among the addresses."""
        if self._compiled is not None and suits(self.address, words, hits):
            self._compiled.add_hits(self._marked, self.address, key, words, hits)
            return
        words = words ^ np.uint64(key)
        found = self._held[self._slot(words)]
        places = np.flatnonzero(found)
        if len(places):
            nearest = np.minimum(np.searchsorted(self.address, words[places]), len(self.address) - 1)
            found[places] = self.address[nearest] == words[places]
        hits += found

    def _slot(self, words: Words) -> NDArray[np.intp]:
        slot: NDArray[np.intp] = (words >> np.uint64(4) & self._mask).astype(np.intp)
        return slot


def _evidence(decoded: Words, starts: StartTable) -> float:
    """Return in bits how much likelier these words are as pointers than as numbers that lie where the blocks lie.

    A number meets a start as often as starts are dense among the places where blocks could be: multiples of what
    divides all their distances.
    """
    hit = starts.holds(decoded)
    hits, misses = int(hit.sum()), int((~hit).sum())
    if hits < _FEWEST:
        return 0.0
    low, high = (int(np.searchsorted(starts.address, each)) for each in (decoded[hit].min(), decoded[hit].max()))
    near = starts.address[low : high + 1]
    step = int(np.gcd.reduce(np.diff(near)))
    density = len(near) / (int(near[-1] - near[0]) // step + 1)
    if density >= _PURE:
        return 0.0
    return hits * math.log2(_PURE / density) + misses * math.log2((1 - _PURE) / (1 - density))
