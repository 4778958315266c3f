"""Tags in the upper bits: words that point to blocks but for bits above all addresses (NaN boxing, counters against
ABA, colours).

Addresses have fewer bits than words (x86-64 programs' have 47). A word with more, whose lower bits are just the start
of a block, is hardly ever a number: one alone tells. Numbers that lie where the blocks lie would mostly meet their
insides, and those anywhere: where many words with tags meet one and the same offset (a mark in the lowest bit, a
member), these are pointers too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.allocators.blocks import Blocks
from gdbheap.lazy import np
from gdbheap.machine.machine import Machine

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]
    Mask = NDArray[np.bool_]

# So many words at one offset inside of blocks tell that it is no chance, if they are more than twice what chance would
# give.
_FEWEST = 8


def find_tagged(words: Words, blocks: Blocks, machine: Machine) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the places among these words (of 64 bits, with tags) of those that are pointers to blocks, and the
    index of each one's block."""
    address = words & np.uint64((1 << machine.address_bits) - 1)
    target = blocks.starts.before(address)
    # (Below the first block the offset wraps round: no block is so long.)
    offset = address - blocks.start[target]
    place = np.flatnonzero(offset < blocks.end[target] - blocks.start[target])
    target, offset = target[place], offset[place]
    good = _regular(offset, blocks.end[target] - blocks.start[target])
    # Where most are pointers, so are the few whose offsets say nothing.
    if 2 * np.count_nonzero(good) < len(good):
        place, target = place[good], target[good]
    return place, target


def _regular(offset: Words, size: Words) -> Mask:
    """Return which of the words, each at an `offset` in a block of its own `size`, are no numbers that lie there by
    chance."""
    values, which, count = np.unique(offset, return_inverse=True, return_counts=True)
    # Numbers would be multiples of what divides all offsets.
    step = float(np.gcd.reduce(offset)) if len(offset) else 0.0
    # By chance each word meets any one offset in its block alike, so as many meet one as there are words in blocks that
    # reach so far.
    order = np.argsort(size, kind="stable")
    likely = np.cumsum((step / size[order])[::-1])[::-1]
    reaching = np.searchsorted(size[order], values, side="right")
    by_chance = np.append(likely, 0.0)[reaching]
    regular: Mask = (count >= _FEWEST) & (count > 2 * by_chance + _FEWEST)
    to_start = values == 0
    regular[to_start] = (count[to_start] > 2 * by_chance[to_start]) | (2 * count[to_start] >= len(offset))
    return regular[which]
