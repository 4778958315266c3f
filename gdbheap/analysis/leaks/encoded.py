"""Encoded pointers: words that become the starts of blocks when all are XORed with one key (~pointer, obfuscation), or without their upper bits
(tags.py).

No scan for pointers sees them, Valgrind's neither, so what they alone hold looks lost. One such word proves nothing; but many words whose
upper bits are alike, and that one key turns into the starts of just those blocks that look lost, are no chance. How much of a chance it
would be is reckoned, so that rows of regular numbers against rows of regular blocks are not taken for pointers. Where the same key also
gives blocks that are held otherwise, somebody keeps a ledger of blocks in hiding (a leak checker's own), which holds none of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gdbheap.analysis.leaks.tags import ADDRESS_MASK, find_tagged, near_blocks
from gdbheap.analysis.pointers.blocks import Blocks
from gdbheap.analysis.pointers.graph import PointerFilter
from gdbheap.lazy import np
from gdbheap.process.address_space import AddressSpace
from gdbheap.process.memory import Memory, ReadProgress, readable_pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]
    Mask = NDArray[np.bool_]

# The fewest lost blocks that can tell of a key.
FEWEST = 8
_PIECE = 1 << 20
# So much is looked at to find keys (of the roots, and again of the blocks), in pieces of this size at even distances; what a key then decodes
# is looked for in all of those.
_SAMPLE = 6 << 20
_SAMPLE_PIECE = 1 << 17
# Of each such piece about so many hidden words are looked at.
_MOST_HIDDEN = 1 << 10
# Words with the same upper bits are tried together: the largest such groups, and some words of each.
_MOST_GROUPS = 4
_MOST_WORDS = 1024
_SEEDS = 3
# As many (seed, block) pairs are tried for a group at most.
_MOST_TRIALS = 1 << 20
# The keys of one seed are held against further words: after so many, only those with so many hits are kept.
_ROUNDS = ((2, 1), (2, 3), (4, 6))
# A table of addresses has at most so many bits' places.
_MOST_BITS = 24
# Bits of evidence against chance, beyond those for the number of keys that were tried.
_EVIDENCE = 40.0
_PURE = 0.9
# Of the words that a key turns into starts of blocks, so many may lead to blocks that are not lost.
_LEDGER = 0.02


@dataclass(frozen=True)
class Encoded:
    """Words that lead to lost blocks once they are XORed with `key` (None: without their upper bits): where each lies (`place`) and the index of
    its block (`target`)."""

    key: int | None
    place: Words
    target: NDArray[np.int32]

    @property
    def how(self) -> str:
        """How the words become pointers: to be put behind "the words", or "the word"."""
        return "with the upper 17 bits cleared" if self.key is None else f"XORed with {self.key:#x}"


def find_encoded(
    memory: Memory,
    space: AddressSpace,
    blocks: Blocks,
    lost: Mask,
    pointer_size: int,
    roots: Iterable[tuple[int, int]],
    progress: ReadProgress | None = None,
) -> list[Encoded]:
    """Return the encoded pointers to `lost` blocks in the `roots` and in the blocks that are not lost, for each key that was found."""
    if not lost.any():
        return []
    spans = list(roots)
    within = blocks.ranges()
    kind = np.dtype(np.uint64 if pointer_size == 8 else np.uint32)
    from_roots, from_blocks = (
        np.concatenate([np.empty(0, np.uint64), *_hidden_words(memory, space, blocks, _some(each), kind)])
        for each in (spans, within)
    )
    words = np.concatenate((from_roots, from_blocks))
    tagged = find_tagged(words, blocks, lost)
    starts = _Starts(blocks.start[lost])
    keys: list[int | None] = [None] if tagged.any() else []
    if len(starts) >= FEWEST:
        keys += _find_keys(words[~tagged], starts, blocks.start, _upper_bits(pointer_size))
    finder = PointerFilter(blocks, pointer_size)
    found = []
    for key in keys:
        # Where no word of the sample is one, reading all is not worth its time.
        chosen = [
            some if starts.holds(_decoded(sample, key)).any() else []
            for sample, some in ((from_roots, spans), (from_blocks, within))
        ]
        found.append(_decode(memory, finder, blocks, lost, key, (chosen[0], chosen[1]), progress))
    return [each for each in found if len(each.target)]


def _decoded(words: Words, key: int | None) -> Words:
    decoded: Words = words & words.dtype.type(ADDRESS_MASK) if key is None else words ^ words.dtype.type(key)
    return decoded


def _upper_bits(pointer_size: int) -> int:
    """Return the shift that leaves the bits which all blocks of one heap share."""
    return 40 if pointer_size == 8 else 24


def _some(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the spans, or pieces of them at even distances where they are more than _SAMPLE."""
    step = max(math.ceil(sum(end - start for start, end in spans) / _SAMPLE), 1)
    at = 0
    for start, end in spans:
        for low in range(start, end, _SAMPLE_PIECE):
            if at % step == 0:
                yield low, min(low + _SAMPLE_PIECE, end)
            at += 1


def _hidden_words(
    memory: Memory, space: AddressSpace, blocks: Blocks, spans: Iterable[tuple[int, int]], kind: np.dtype[np.uint64]
) -> Iterator[Words]:
    """Yield words that are no address of the process, and no small number either: some of them, and all that may be tagged pointers."""
    start = np.array([vma.start for vma in space], np.uint64)
    end = np.array([vma.end for vma in space], np.uint64)
    least = kind.type(1 << _upper_bits(kind.itemsize))
    size = kind.itemsize
    choose = np.random.default_rng(1)
    for low, high in spans:
        for _, data in readable_pieces(memory, -(-low // size) * size, high, _SAMPLE_PIECE):
            words = np.frombuffer(data, kind, len(data) // size)
            words = words[words >= least].astype(np.uint64)
            vma = np.searchsorted(start, words, side="right") - 1
            hidden = words[(vma < 0) | (words >= end[vma])]
            step = len(hidden) // _MOST_HIDDEN + 1
            if step == 1:
                yield hidden
                continue
            # One of each few, but not in step with what the program does with every so many.
            at = np.arange(0, len(hidden) - step + 1, step)
            yield hidden[at + choose.integers(0, step, len(at))]
            yield hidden[near_blocks(hidden, blocks)]


def _find_keys(hidden: Words, starts: _Starts, everything: Words, shift: int) -> list[int]:
    """Return the keys that turn hidden words into `starts` too often for a chance, and hardly ever into others of `everything`."""
    values = np.sort(hidden)
    values = values[np.diff(values, prepend=~values[:1]) != 0]
    upper = values >> np.uint64(shift)
    first = np.flatnonzero(np.diff(upper, prepend=~upper[:1]) != 0)
    count = np.diff(first, append=len(values))
    keys: list[int] = []
    tried = 0
    for group in np.argsort(-count, kind="stable").tolist():
        if count[group] < FEWEST or tried == _MOST_GROUPS:
            break
        words = values[first[group] : first[group] + count[group]]
        # Blocks are aligned: their encoded pointers differ in no low bit.
        low = np.bincount((words & np.uint64(7)).astype(np.intp))
        if low.max() < _PURE * len(words):
            continue
        tried += 1
        # Shuffled, always alike, so that the words tried together are not neighbours, and no regular choice of blocks.
        words = np.random.default_rng(1).permutation(words)[:_MOST_WORDS]
        key = _key_of_group(words, starts)
        if key and key not in keys and not _is_ledger(words ^ np.uint64(key), starts, everything):
            keys.append(key)
    return keys


def _is_ledger(decoded: Words, starts: _Starts, everything: Words) -> bool:
    """Whether the words lead to blocks that are held otherwise as well: to more than a few, or to the same part of those as of the lost ones."""
    nearest = everything[np.minimum(np.searchsorted(everything, decoded), len(everything) - 1)]
    hits = int(np.count_nonzero(starts.holds(decoded)))
    others, elsewhere = len(everything) - len(starts), int(np.count_nonzero(nearest == decoded)) - hits
    return elsewhere > _LEDGER * hits or 2 * elsewhere * len(starts) > hits * others > 0


def _key_of_group(words: Words, starts: _Starts) -> int:
    """Return the key of these words; 0 where they have none."""
    targets = starts.address[:: math.ceil(len(starts) * _SEEDS / _MOST_TRIALS)]
    for seed in range(min(_SEEDS, len(words))):
        keys = targets ^ words[seed]
        hits = np.zeros(len(keys), np.intp)
        at = _SEEDS
        for more, least in _ROUNDS:
            for each in words[at : at + more]:
                hits += starts.holds(keys ^ each)
            at += more
            kept = hits >= min(least, max(len(words) - _SEEDS, 1))
            keys, hits = keys[kept], hits[kept]
        if len(keys):
            best = int(keys[np.argmax(hits)])
            if best and _evidence(words ^ np.uint64(best), starts) > _EVIDENCE + math.log2(len(targets) + 1):
                return best
    return 0


class _Starts:
    """Addresses, ascending, and which words are among them: a table by some bits of the address leaves few to be searched for."""

    def __init__(self, address: Words) -> None:
        self.address = address
        bits = min(max(len(address).bit_length() + 5, 10), _MOST_BITS)
        self._mask = np.uint64((1 << bits) - 1)
        self._held = np.zeros(1 << bits, np.bool_)
        self._held[self._slot(address)] = True

    def __len__(self) -> int:
        return len(self.address)

    def holds(self, words: Words) -> Mask:
        """Return which words are among the addresses."""
        found: Mask = self._held[self._slot(words)]
        places = np.flatnonzero(found)
        if len(places):
            nearest = np.minimum(np.searchsorted(self.address, words[places]), len(self.address) - 1)
            found[places] = self.address[nearest] == words[places]
        return found

    def _slot(self, words: Words) -> NDArray[np.intp]:
        slot: NDArray[np.intp] = (words >> np.uint64(4) & self._mask).astype(np.intp)
        return slot


def _evidence(decoded: Words, starts: _Starts) -> float:
    """Return in bits how much likelier these words are as pointers than as numbers that lie where the blocks lie.

    A number meets a start as often as starts are dense among the places where blocks could be: multiples of what divides all their distances.
    """
    hit = starts.holds(decoded)
    hits, misses = int(hit.sum()), int((~hit).sum())
    if hits < FEWEST:
        return 0.0
    low, high = (int(np.searchsorted(starts.address, each)) for each in (decoded[hit].min(), decoded[hit].max()))
    near = starts.address[low : high + 1]
    step = int(np.gcd.reduce(np.diff(near)))
    density = len(near) / (int(near[-1] - near[0]) // step + 1)
    if density >= _PURE:
        return 0.0
    return hits * math.log2(_PURE / density) + misses * math.log2((1 - _PURE) / (1 - density))


def _decode(
    memory: Memory,
    finder: PointerFilter,
    blocks: Blocks,
    lost: Mask,
    key: int | None,
    spans: tuple[list[tuple[int, int]], list[tuple[int, int]]],
    progress: ReadProgress | None,
) -> Encoded:
    """Return all that the key turns into pointers to the starts of lost blocks; `spans` are those of the roots, and of the blocks."""
    places: list[Words] = [np.empty(0, np.uint64)]
    targets: list[NDArray[np.intp]] = [np.empty(0, np.intp)]
    size = finder.pointer_size
    roots, within = spans
    for start, end, of_blocks in [*((*each, False) for each in roots), *((*each, True) for each in within)]:
        for address, data in readable_pieces(memory, -(-start // size) * size, end, _PIECE):
            words = _decoded(np.frombuffer(data, finder.type, len(data) // size), key)
            position, target, offset = finder.find(words)
            good = (offset == 0) & lost[target]
            place = np.uint64(address) + position[good].astype(np.uint64) * np.uint64(size)
            target = target[good]
            if of_blocks:
                # What lies in free chunks, and in blocks that are lost, holds nothing.
                source = np.maximum(np.searchsorted(blocks.start, place, side="right") - 1, 0)
                held = (place >= blocks.start[source]) & (place < blocks.end[source]) & ~lost[source]
                place, target = place[held], target[held]
            places.append(place)
            targets.append(target)
            if progress:
                progress(address)
    return Encoded(key, np.concatenate(places), np.concatenate(targets).astype(np.int32))
