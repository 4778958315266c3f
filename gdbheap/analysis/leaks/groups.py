"""Leaks in groups: blocks of one verdict, one size and one kind of content together, with what hangs on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.analysis.leaks.entries import NO_ENTRY
from gdbheap.analysis.leaks.leaks import LeakKind, Leaks
from gdbheap.analysis.objects.contents import TEXT, Contents, describe, is_text, text_of
from gdbheap.analysis.objects.labels import Labels
from gdbheap.analysis.objects.lookup import Lookup
from gdbheap.analysis.objects.name_objects import name_objects
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.distinct import codes_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


# Why a block that is not lost may be all the same; published names. Its pointers: only to the inside, taken by a
# heuristic, in memory that the program may never have written, or pointers only if they are decoded; or the kernel's.
NO_DOUBT, INTERIOR, HEURISTIC, REMAINS, ENCODED, SIGNAL_STACK = DOUBTS = (
    "",
    "interior_pointer",
    "heuristic",
    "unwritten_memory",
    "encoded_pointer",
    "signal_stack",
)
# Chunks have multiples of this as sizes, and none is larger than what a process can map.
_UNIT = 8
_LARGEST = 0xFFFF_FFFF_FFF0
# The first four letters of a text, as its first word has them.
_FIRST_LETTERS = 0xFFFF_FFFF

THREAD_VECTOR = "a thread's dtv (libc's own)"


@dataclass(frozen=True)
class LeakGroup:
    """`count` blocks of one verdict and `doubt`, alike in their first bytes (`what`); `example` is the mem of a typical
    one: of a text that begins as most do, and with neither more nor less hanging on it than on most.

    `hanging_count` and `hanging_bytes` are the indirectly lost blocks that hang on these definitely lost ones, or
    the possibly lost ones that hang on these entries. `offsets` are the least and the greatest at which something
    that is held points into these, if they are entries (None: they are not). Their chunks are of
    `chunk_size`; of groups merged by what they are, that is the smallest and `largest` the largest. `named`: what is
    a name, not a shape. `text` is what the example holds, where what is text.
    """

    verdict: LeakKind
    doubt: str
    count: int
    bytes: int
    hanging_count: int
    hanging_bytes: int
    chunk_size: int
    largest: int
    what: str
    named: bool
    example: int
    text: str
    offsets: tuple[int, int] | None = None

    @property
    def hangs(self) -> bool:
        """Whether these are possibly lost because others are."""
        return self.verdict is LeakKind.POSSIBLY_LOST and self.offsets is None


def tallies(leaks: Leaks) -> dict[LeakKind, tuple[int, int]]:
    """Return (blocks, bytes of their chunks) of each verdict."""
    size = leaks.held.blocks.size
    masks = {verdict: leaks.verdict == verdict for verdict in LeakKind}
    return {verdict: (int(mask.sum()), int(size[mask].sum())) for verdict, mask in masks.items()}


def tally_of(leaks: Leaks, chosen: NDArray[np.bool_]) -> tuple[int, int]:
    """Return (blocks, bytes of their chunks) of the chosen ones."""
    return int(chosen.sum()), int(leaks.held.blocks.size[chosen].sum())


def doubts(leaks: Leaks) -> NDArray[np.uint8]:
    """Return the place in DOUBTS of each block's."""
    found = np.zeros(len(leaks.verdict), np.uint8)
    found[leaks.by_heuristic] = DOUBTS.index(HEURISTIC)
    found[leaks.by_remains] = DOUBTS.index(REMAINS)
    found[leaks.verdict == LeakKind.POSSIBLY_LOST] = DOUBTS.index(INTERIOR)
    found[leaks.by_encoding] = DOUBTS.index(ENCODED)
    found[leaks.signal_stacks] = DOUBTS.index(SIGNAL_STACK)
    return found


def merge_sizes(groups: Iterable[LeakGroup]) -> list[LeakGroup]:
    """Return the groups with those of one name made one, whatever their size (a class and its arrays), the largest
    first."""
    merged: dict[object, LeakGroup] = {}
    for group in groups:
        key = (group.verdict, group.hangs, group.doubt, group.what, None if group.named else group.chunk_size)
        before = merged.get(key)
        # The first of a kind is the largest: its example stays.
        merged[key] = group if before is None else _together(before, group)
    return sorted(merged.values(), key=_largest_first)


def _together(one: LeakGroup, other: LeakGroup) -> LeakGroup:
    return replace(
        one,
        count=one.count + other.count,
        bytes=one.bytes + other.bytes,
        hanging_count=one.hanging_count + other.hanging_count,
        hanging_bytes=one.hanging_bytes + other.hanging_bytes,
        chunk_size=min(one.chunk_size, other.chunk_size),
        largest=max(one.largest, other.largest),
        offsets=_span_of(one.offsets, other.offsets),
    )


def _span_of(one: tuple[int, int] | None, other: tuple[int, int] | None) -> tuple[int, int] | None:
    if one is None or other is None:
        return None
    return min(one[0], other[0]), max(one[1], other[1])


def _largest_first(group: LeakGroup) -> tuple[LeakKind, bool, int, int]:
    return group.verdict, group.hangs, -group.bytes - group.hanging_bytes, group.example


# Gives the names of blocks by their types: (names[place] is a block's, -1 for none; the names; which are certain).
TypesOf = Callable[["NDArray[np.intp]"], "tuple[NDArray[np.int32], Sequence[str], NDArray[np.bool_]]"]


@dataclass(frozen=True)
class Grouping:
    """`one_by_one`: each block is a group. Blocks are named by their types where `types_of` knows them, else by their
    contents; those with different numbers in `apart` are in different groups."""

    one_by_one: bool = False
    types_of: TypesOf | None = None
    apart: NDArray[np.intp] | None = None


def group_leaks(leaks: Leaks, chosen: NDArray[np.bool_], lookup: Lookup, by: Grouping) -> list[LeakGroup]:
    """Return the chosen blocks in groups, by verdict, and in each the largest first, what hangs on it counted."""
    rows = np.flatnonzero(chosen)
    if not len(rows):
        return []
    members = _Members(leaks, rows, _contents(leaks, rows, lookup, by.types_of), doubts(leaks)[rows], *_hanging(leaks))
    return sorted(members.groups(_group_of(members, by)), key=_largest_first)


def _contents(leaks: Leaks, rows: NDArray[np.intp], lookup: Lookup, types_of: TypesOf | None) -> Contents:
    """Return what each of the blocks in `rows` is: by its type where types are known, else by its contents."""
    blocks = leaks.held.blocks
    # What is lost may be named by others that are, which were not asked for.
    looked_at = leaks.verdict != LeakKind.STILL_REACHABLE
    looked_at[rows] = True
    # (Who knows types knows these names too.)
    labels = name_objects(blocks, np.flatnonzero(looked_at), lookup) if types_of is None else Labels(len(blocks))
    contents = describe(blocks, leaks.held.graph.head, rows, lookup, labels)
    if types_of is not None:
        contents = contents.typed(*types_of(rows))
    return contents.named(np.isin(rows, leaks.held.thread_vectors), THREAD_VECTOR)


def _group_of(members: _Members, by: Grouping) -> NDArray[np.intp]:
    """Return a number for each member that is the same for those of one group."""
    leaks, rows = members.leaks, members.rows
    place = rows
    if not by.one_by_one:
        is_entry = leaks.entry_offset[rows] != NO_ENTRY
        size = leaks.held.blocks.size[rows]
        place = _alike(leaks.verdict[rows], members.doubt, is_entry, size, members.contents.kind)
    return place if by.apart is None else codes_of(place, by.apart[rows])


@dataclass(frozen=True)
class _Members:
    """The blocks in `rows`, with what each is and its place in DOUBTS; the columns of what hangs on a block are of
    all blocks."""

    leaks: Leaks
    rows: NDArray[np.intp]
    contents: Contents
    doubt: NDArray[np.uint8]
    hanging_count: NDArray[np.uint64]
    hanging_bytes: NDArray[np.uint64]

    def groups(self, place: NDArray[np.intp]) -> Iterator[LeakGroup]:
        """Yield a group for each number in `place`, in the order of these numbers."""
        rows, head = self.rows, self.leaks.held.graph.head
        _, place, count = np.unique(place, return_inverse=True, return_counts=True)
        # Members of a group side by side.
        order = np.argsort(place, kind="stable")
        first = np.cumsum(count) - count
        offset = self.leaks.entry_offset[rows][order]
        nearest, farthest = np.minimum.reduceat(offset, first), np.maximum.reduceat(offset, first)
        summed = (self.leaks.held.blocks.size, self.hanging_count, self.hanging_bytes)
        sums = [np.add.reduceat(column[rows[order]], first).tolist() for column in summed]
        of_text = self.contents.kind == self.contents.shapes
        typical = _typical(place, self.hanging_bytes[rows], np.where(of_text, head[rows, 0], 0))
        spans = [None if near == NO_ENTRY else (near, far) for near, far in zip(nearest.tolist(), farthest.tolist())]
        hanging = zip(*(sums[1:]))
        for at, span, number, size, below in zip(typical.tolist(), spans, count.tolist(), sums[0], hanging):
            yield self._group(at, span, number, size, below)

    def _group(
        self, at: int, offsets: tuple[int, int] | None, count: int, size: int, hanging: tuple[int, int]
    ) -> LeakGroup:
        """Return the group that the member at `at` stands for, of `count` blocks in chunks of `size` bytes in all."""
        blocks, row, kind = self.leaks.held.blocks, int(self.rows[at]), int(self.contents.kind[at])
        what, chunk_size = self.contents.names[kind], int(blocks.size[row])
        return LeakGroup(
            verdict=LeakKind(int(self.leaks.verdict[row])),
            doubt=DOUBTS[int(self.doubt[at])],
            count=count,
            bytes=size,
            hanging_count=hanging[0],
            hanging_bytes=hanging[1],
            chunk_size=chunk_size,
            largest=chunk_size,
            what=what,
            named=kind >= self.contents.shapes and not is_text(what),
            example=int(blocks.start[row]),
            text=text_of(self.leaks.held.graph.head[row]) if what == TEXT else "",
            offsets=offsets,
        )


def _typical(place: NDArray[np.intp], hanging: NDArray[np.uint64], begin: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Return a member of each group (`place`, all of 0 up to the last): of those whose `begin` has the group's most
    frequent letters, the first with as much hanging on it as the one in the middle."""
    letters = begin.astype(np.uint64) & np.uint64(_FIRST_LETTERS)
    kinds, which, times = np.unique(
        place.astype(np.uint64) << np.uint64(32) | letters, return_inverse=True, return_counts=True
    )
    order = np.lexsort((hanging, which))
    start = np.cumsum(times) - times
    best = np.lexsort((-times, (kinds >> np.uint64(32)).astype(np.intp)))
    group = kinds[best] >> np.uint64(32)
    best = best[np.concatenate(([True], group[1:] != group[:-1]))]
    middle = order[start[best] + (times[best] - 1) // 2]
    # (lexsort is stable: of those alike the first comes first.)
    runs = np.concatenate(
        ([True], (which[order][1:] != which[order][:-1]) | (hanging[order][1:] != hanging[order][:-1]))
    )
    begins = np.maximum.accumulate(np.where(runs, np.arange(len(order)), 0))
    at = np.empty(len(order), np.intp)
    at[order] = begins
    typical: NDArray[np.intp] = order[at[middle]]
    return typical


def _alike(
    verdict: NDArray[np.uint8],
    doubt: NDArray[np.uint8],
    is_entry: NDArray[np.bool_],
    size: NDArray[np.uint64],
    kind: NDArray[np.int32],
) -> NDArray[np.intp]:
    """Return a number for each block that is the same for those of one verdict, doubt, size and kind, entries apart."""
    # (48 bits of a size, 13 of a kind, and these few: it all goes into 64, whatever a size was made into.)
    alike: NDArray[np.intp] = (size & np.uint64(_LARGEST)).astype(np.intp) // _UNIT
    for column, most in ((kind, int(kind.max()) + 1), (verdict, len(LeakKind)), (doubt, len(DOUBTS)), (is_entry, 2)):
        alike *= most
        alike += column
    return alike


def _hanging(leaks: Leaks) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return how many blocks, and bytes of chunks, hang on each block."""
    size = leaks.held.blocks.size
    hangs = (leaks.verdict == LeakKind.POSSIBLY_LOST) & (leaks.entry_offset == NO_ENTRY)
    indirect = np.flatnonzero(hangs | (leaks.verdict == LeakKind.INDIRECTLY_LOST))
    head = leaks.head[indirect]
    count = np.bincount(head, minlength=len(size)).astype(np.uint64)
    # As two halves: bincount adds floats, which hold whole numbers to 2**53 only.
    low = np.bincount(head, size[indirect] & np.uint64(0xFFFF_FFFF), len(size)).astype(np.uint64)
    high = np.bincount(head, size[indirect] >> np.uint64(32), len(size)).astype(np.uint64)
    return count, low + (high << np.uint64(32))
