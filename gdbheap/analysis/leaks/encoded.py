"""Encoded pointers: words that become the starts of blocks when all are XORed with one key (~pointer, obfuscation), or
without their upper bits (tags.py).

No scan for pointers sees them, Valgrind's neither, so what they alone hold looks lost. One such word proves nothing;
but many words whose upper bits are alike, and that one key turns into the starts of just those blocks that look
lost, are no chance. How much of a chance it would be is reckoned, so that rows of regular numbers against rows of
regular blocks are not taken for pointers. Where the same key also gives blocks that are held otherwise, somebody
keeps a ledger of blocks in hiding (a leak checker's own), which holds none of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from gdbheap.allocators.blocks import Blocks
from gdbheap.analysis.leaks.keys import StartTable, find_keys
from gdbheap.analysis.leaks.tags import find_tagged
from gdbheap.analysis.pointers.graph import PointerFilter
from gdbheap.analysis.pointers.hidden import Hidden
from gdbheap.lazy import dataclass, np
from gdbheap.machine.machine import Machine
from gdbheap.process.address_space import AddressSpace
from gdbheap.process.columns.distinct import are_among
from gdbheap.process.memory import Memory, ReadProgress, readable_pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]
    Mask = NDArray[np.bool_]

# The source of a word that lies in a root.
ROOT = -1
_PIECE = 1 << 20


@dataclass(frozen=True)
class Encoded:
    """Words that lead to lost blocks once they are XORed with `key` (None: without their upper bits): where each
    lies (`place`), the index of the block in use that it lies in (`source`; ROOT: in a root), and that of the
    block it leads to (`target`)."""

    key: int | None
    place: Words
    source: NDArray[np.int32]
    target: NDArray[np.int32]

    def only(self, chosen: Mask) -> Encoded:
        """Return the same with the chosen words alone."""
        return Encoded(self.key, self.place[chosen], self.source[chosen], self.target[chosen])


@dataclass(frozen=True)
class Searched:
    """Where encoded pointers are looked for: the memory of the process, the blocks in use and the `roots`' [start,
    end), and what was kept of both as they were read."""

    memory: Memory
    space: AddressSpace
    blocks: Blocks
    machine: Machine
    roots: Iterable[tuple[int, int]]
    in_roots: Hidden
    in_blocks: Hidden

    @cached_property
    def finder(self) -> PointerFilter:
        """Finds pointers into the blocks."""
        return PointerFilter(self.blocks, self.machine)


def find_encoded(searched: Searched, lost: Mask, progress: ReadProgress | None = None) -> list[Encoded]:
    """Return the encoded pointers to `lost` blocks in the roots and in the blocks in use, those that are lost
    themselves too, for each key that was found."""
    if not lost.any():
        return []
    found = [_tagged(searched, lost)]
    samples = [
        _extended(each.samples(searched.space), searched.machine) for each in (searched.in_roots, searched.in_blocks)
    ]
    words = np.concatenate(samples)
    if len(found[0].target):
        address = np.uint64((1 << searched.machine.address_bits) - 1)
        words = words[~(are_among(words & address, searched.blocks.start) & (words > address))]
    starts = StartTable(searched.blocks.start[lost])
    keys = find_keys(words, starts, searched.blocks.start, searched.machine)
    roots, within = list(searched.roots), searched.blocks.ranges()
    for key in keys:
        # Where no word of the sample is one, reading all is not worth its time.
        chosen = [
            some if starts.holds(sample ^ np.uint64(key)).any() else []
            for sample, some in zip(samples, (roots, within))
        ]
        spans = [*((*each, False) for each in chosen[0]), *((*each, True) for each in chosen[1])]
        found.append(_decode(searched, lost, key, spans, progress))
    return [each for each in found if len(each.target)]


def _extended(words: Words, machine: Machine) -> Words:
    """Return the words with their highest bit below a tag in place of the tag, so that one key goes for all tags."""
    if not machine.tag_bits:
        return words
    signed = (words << np.uint64(machine.tag_bits)).view(np.int64)
    extended: Words = (signed >> np.int64(machine.tag_bits)).view(np.uint64)
    return extended


def _tagged(searched: Searched, lost: Mask) -> Encoded:
    """Return the words with tags that lead to lost blocks."""
    in_roots, in_blocks = searched.in_roots.tagged(), searched.in_blocks.tagged()
    source, held = _sources(searched.blocks, in_blocks[0])
    place = np.concatenate((in_roots[0], in_blocks[0][held]))
    words = np.concatenate((in_roots[1], in_blocks[1][held]))
    source = np.concatenate((np.full(len(in_roots[0]), ROOT, np.int32), source[held]))
    chosen, target = find_tagged(words, searched.blocks, searched.machine)
    to_lost = lost[target]
    chosen = chosen[to_lost]
    return Encoded(None, place[chosen], source[chosen], target[to_lost].astype(np.int32))


def _sources(blocks: Blocks, place: Words) -> tuple[NDArray[np.int32], Mask]:
    """Return the index of the block that lies at or before each place, and whether the place lies in it: what lies
    in free chunks holds nothing."""
    source = np.maximum(np.searchsorted(blocks.start, place, side="right") - 1, 0).astype(np.int32)
    held: Mask = (place >= blocks.start[source]) & (place < blocks.end[source])
    return source, held


def _decode(
    searched: Searched,
    lost: Mask,
    key: int,
    spans: list[tuple[int, int, bool]],
    progress: ReadProgress | None,
) -> Encoded:
    """Return all that the key turns into pointers to the starts of lost blocks in the `spans`: [start, end), and
    whether it is of blocks."""
    finder, size = searched.finder, searched.machine.pointer_size
    found = Encoded(key, np.empty(0, np.uint64), np.empty(0, np.int32), np.empty(0, np.int32))
    pieces = [found]
    for start, end, of_blocks in spans:
        for address, data in readable_pieces(searched.memory, -(-start // size) * size, end, _PIECE):
            words = np.frombuffer(data, finder.type, len(data) // size)
            position, target, offset = finder.find(_extended(words, searched.machine) ^ words.dtype.type(key))
            good = (offset == 0) & lost[target]
            place = np.uint64(address) + position[good].astype(np.uint64) * np.uint64(size)
            source = np.full(len(place), ROOT, np.int32)
            piece = Encoded(key, place, source, target[good].astype(np.int32))
            if of_blocks:
                source, held = _sources(searched.blocks, place)
                piece = replace(piece, source=source).only(held)
            pieces.append(piece)
            if progress:
                progress(address)
    columns = ("place", "source", "target")
    return Encoded(key, *(np.concatenate([getattr(each, name) for each in pieces]) for name in columns))
