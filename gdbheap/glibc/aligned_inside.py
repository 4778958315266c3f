"""Where memalign may have made a chunk inside an mmapped one, whose header stays as it was: for many at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdbheap.glibc.layout import Layout
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.gather import gather_known
from gdbheap.process.memory import Memory

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]


@dataclass(frozen=True)
class InnerHeaders:
    """The places that can be read, and the outer chunks' own headers: the `row` of the outer chunk, the `address`, and
    the two words there."""

    row: NDArray[np.intp]
    address: Words
    prev_size: Words
    raw: Words


def inner_headers(
    memory: Memory, layout: Layout, outer: Words, ends: tuple[Words, Words], with_second: bool
) -> InnerHeaders:
    """Return what stands at the places of each outer chunk, by address; `ends` are the start and the end of each
    mapping. Mirrors _int_memalign: the aligned mem for which at least MINSIZE lies before the chunk, which is the
    second there is where the first is too near (`with_second`), and before glibc 2.43 alone."""
    rows, places = [np.arange(len(outer))], [outer]
    for row, address in _places(layout, outer, ends, with_second):
        rows.append(row)
        places.append(address)
    row, address = np.concatenate(rows), np.concatenate(places)
    order = np.argsort(address, kind="stable")
    row, address = row[order], address[order]
    words, known = gather_known(memory, layout.pointer_size, address, 2)
    return InnerHeaders(row[known], address[known], words[known, 0], words[known, 1])


def _places(
    layout: Layout, outer: Words, ends: tuple[Words, Words], with_second: bool
) -> Iterator[tuple[NDArray[np.intp], Words]]:
    """Yield rows and addresses, by ascending alignment."""
    length, header = ends[1] - ends[0], np.uint64(layout.header)
    alignment, row = 2 * layout.alignment, np.arange(len(outer))
    while len(row := row[length[row] > np.uint64(alignment)]):
        step = np.uint64(alignment)
        first = (outer[row] + header + step - np.uint64(1)) // step * step - header
        yield row, first
        near = first - outer[row] < np.uint64(layout.min_size)
        if with_second:
            yield row[near], first[near] + step
        alignment *= 2
