"""Blocks with a header of the program's own in front: its allocator (my_malloc, PyObject_GC_New) keeps a size or links
there, and hands out what lies behind. No pointer leads to the start of such a block then, and all lead to one and
the same offset.

One such block proves nothing, many do: an offset at which many blocks are pointed to, and none of them nearer to its
start, is where a header ends. Where the header grows with the block (zend's hash tables), it is the same for all
blocks of one size, and the same part of all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.distinct import distinct

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.analysis.leaks.interior import InteriorPointers

    Offsets = NDArray[np.uint64]
    Mask = NDArray[np.bool_]

# So many blocks tell of a header, and such a part of those that no pointer to the start leads to: of all, of what is
# left when these are told (a program may have more than one such allocator), or of those of one size.
FEWEST = 16
_PART_OF_ALL = 1 / 4
_PART_OF_REST = 1 / 2
_PART_OF_SIZE = 1 / 2
# A header that is the same part of blocks of all sizes has been seen at so many offsets. malloc rounds what was asked
# for up by less than _ROUNDED, and a mapping of its own by less than a page; of an offset that is not _TIMES as large
# most are some part of their block by chance.
_FEWEST_OFFSETS = 3
_TIMES = 4
# So many times as often as chance would have it.
_OFTENER = 5
_ROUNDED = 16
# A size and an offset go into one number.
_OFFSET_BITS = 20


@dataclass(frozen=True)
class Header:
    """Blocks are handed out from `offset` on: those whose chunks have this `chunk_size`, or all (None)."""

    offset: int
    chunk_size: int | None


@dataclass(frozen=True)
class Headers:
    """The headers that were found. `parts`: one part in so many of a block is a header, whatever its size;
    `pointer_size` and `page_size` are the process's."""

    found: tuple[Header, ...]
    parts: tuple[int, ...]
    pointer_size: int
    page_size: int

    def end_at(self, offset: Offsets, chunk_size: NDArray[np.uint64]) -> Mask:
        """Return which offsets, of blocks with chunks of these sizes, are where a header ends."""
        of_any = np.array([each.offset for each in self.found if each.chunk_size is None], np.uint64)
        of_size = np.array(
            [each.chunk_size << _OFFSET_BITS | each.offset for each in self.found if each.chunk_size is not None],
            np.uint64,
        )
        ends: Mask = np.isin(offset, of_any)
        if len(of_size):
            near = offset < np.uint64(1 << _OFFSET_BITS)
            ends |= near & np.isin(_together(chunk_size, offset), of_size)
        if self.parts:
            ends |= np.isin(_parts(offset, chunk_size, self.pointer_size, self.page_size), self.parts)
        return ends


def find_headers(
    pointers: InteriorPointers, to_start: Mask, chunk_size: NDArray[np.uint64], pointer_size: int, page_size: int
) -> Headers:
    """Return the headers that all `pointers` from elsewhere to the inside of blocks tell of; `to_start` says to
    which starts any lead."""
    inside = np.flatnonzero(~to_start[pointers.target])
    target, offset = pointers.target[inside], pointers.offset[inside].astype(np.uint64)
    order = np.lexsort((offset, target))
    target, offset = target[order], offset[order]
    nearest = np.ones(len(target), np.bool_)
    nearest[1:] = target[1:] != target[:-1]
    first, size = offset[nearest], chunk_size[target[nearest]]
    could_be = (first % np.uint64(pointer_size) == 0) & (first < np.uint64(1 << _OFFSET_BITS))
    offsets, counts = np.unique(first[could_be], return_counts=True)
    common = _common(counts, len(first))
    found = [Header(each, None) for each in offsets[common].tolist()]
    sizes, of_size = np.unique(size, return_counts=True)
    left = could_be & ~np.isin(first, offsets[common]) & (first <= size // np.uint64(2))
    kinds, counts = np.unique(_together(size[left], first[left]), return_counts=True)
    alike = of_size[np.searchsorted(sizes, kinds >> np.uint64(_OFFSET_BITS))]
    common = (counts >= FEWEST) & (counts >= alike * _PART_OF_SIZE)
    mask = (1 << _OFFSET_BITS) - 1
    found += [Header(each & mask, each >> _OFFSET_BITS) for each in kinds[common].tolist()]
    unexplained = could_be & ~np.isin(
        first, np.array([each.offset for each in found if each.chunk_size is None], np.uint64)
    )
    parts = _common_parts(first[unexplained], size[unexplained], pointer_size, page_size)
    return Headers(tuple(found), parts, pointer_size, page_size)


def _common_parts(offset: Offsets, size: NDArray[np.uint64], pointer_size: int, page_size: int) -> tuple[int, ...]:
    """Return in how many parts a block falls of which the first is a header, where many blocks of several sizes tell
    the same."""
    part = _parts(offset, size, pointer_size, page_size)
    values, counts = np.unique(part, return_counts=True)
    room = size - np.uint64(pointer_size)
    found = []
    for value, count in zip(values.tolist(), counts.tolist()):
        if value <= 2 or count < FEWEST or len(distinct(offset[part == value])) < _FEWEST_OFFSETS:
            continue
        # Of the words of a block about one lies at such a part of it: pointers to anywhere meet it as often as this.
        large = room[room // np.uint64(value) >= np.uint64(_TIMES * _ROUNDED)]
        if count >= _OFTENER * float((pointer_size / large).sum()):
            found.append(value)
    return tuple(found)


def _parts(offset: Offsets, size: NDArray[np.uint64], pointer_size: int, page_size: int) -> NDArray[np.uint64]:
    """Return how many times the offset goes into what was asked for, where it does so just as it is; 0 for others."""
    room = size - np.uint64(pointer_size)
    times = room // np.maximum(offset, np.uint64(1))
    left = room - times * offset
    page = np.uint64(page_size)
    mapped = (size % page < np.uint64(2 * _ROUNDED)) & (size > page)
    fits = (offset >= np.uint64(_TIMES * _ROUNDED)) & (left < np.uint64(_ROUNDED))
    fits |= (offset >= np.uint64(_TIMES) * page) & (left < page) & mapped
    parts: NDArray[np.uint64] = np.where(fits, times, np.uint64(0))
    return parts


def _common(counts: NDArray[np.intp], total: int) -> Mask:
    """Return which of the offsets are a header's of blocks of any size, that have so many blocks each of all
    `total`."""
    common = np.zeros(len(counts), np.bool_)
    rest, part = total, _PART_OF_ALL
    while True:
        fresh = (counts >= FEWEST) & (counts >= rest * part) & ~common
        if not fresh.any():
            return common
        common |= fresh
        rest, part = rest - int(counts[fresh].sum()), _PART_OF_REST


def _together(chunk_size: NDArray[np.uint64], offset: Offsets) -> NDArray[np.uint64]:
    whole: NDArray[np.uint64] = chunk_size << np.uint64(_OFFSET_BITS) | offset
    return whole
