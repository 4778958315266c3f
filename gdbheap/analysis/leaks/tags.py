"""Tags in the upper bits: words that are starts of blocks but for bits above all addresses (NaN boxing, counters against ABA, colours).

Addresses of x86-64 programs have 47 bits. A word with more, whose lower 47 are just the start of a block that looks lost, is hardly ever a number:
one alone tells. Numbers that lie where the blocks lie would mostly meet their insides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.blocks import Blocks
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]
    Mask = NDArray[np.bool_]

_ADDRESS_BITS = 47
ADDRESS_MASK = (1 << _ADDRESS_BITS) - 1


def near_blocks(words: Words, blocks: Blocks) -> Mask:
    """Return which of the words have a tag, and without it lie between the first block's start and the last one's."""
    low, high = blocks.start[0], blocks.start[-1]
    near: Mask = (words & np.uint64(ADDRESS_MASK)) - low <= high - low
    near &= words >> np.uint64(_ADDRESS_BITS) != 0
    return near


def find_tagged(words: Words, blocks: Blocks, lost: Mask) -> Mask:
    """Return which of these words (of 64 bits) are pointers with tags to starts of blocks: none, unless blocks that are lost are among them, and
    most of what leads into blocks leads to starts."""
    tagged = np.zeros(len(words), np.bool_)
    places = np.flatnonzero(near_blocks(words, blocks))
    address, first = np.unique(words[places] & np.uint64(ADDRESS_MASK), return_inverse=True)
    block = np.searchsorted(blocks.start, address, side="right") - 1
    to_start = address == blocks.start[block]
    inside = int(np.count_nonzero(address < blocks.end[block]))
    if (to_start & lost[block]).any() and 2 * int(np.count_nonzero(to_start)) >= inside:
        tagged[places] = to_start[first]
    return tagged
