"""What heap owners shows people: many holders alike as one row, and a long way in short."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from gdbheap.analysis.pointers.roots import KERNEL
from gdbheap.interface.limit import left_out
from gdbheap.report.report import ABSENT, Line
from gdbheap.sentences.folding import fold
from gdbheap.session.named_place import NamedPlace
from gdbheap.tables.holder_rows import HolderRow

# So many holders are rows of their own.
_FEW = 12


def rows_for_people(rows: Sequence[HolderRow], limit: int) -> list[HolderRow | Line]:
    """Return the rows, of many holders that are alike one for all: the same member of blocks ("12,000 dictEntry.key"),
    words of one variable or block, what the kernel keeps; cut at the limit."""
    alike: dict[Hashable, list[HolderRow]] = {}
    ways = [_alike(row) if len(rows) > _FEW else () for row in rows]
    sizes = Counter(chain.from_iterable(ways))
    for number, (row, keys) in enumerate(zip(rows, ways)):
        # Of the largest several that it is one of the one whose holders have most in common.
        alike.setdefault(max(keys, key=sizes.__getitem__, default=number), []).append(row)
    shown: list[HolderRow | Line] = [_one_for_all(several) for several in alike.values()]
    if limit and len(shown) > limit:
        return [*shown[:limit], left_out(len(shown) - limit, "row")]
    return shown


def _alike(row: HolderRow) -> tuple[Hashable, ...]:
    """Return what a holder may have in common with others, most of it first."""
    if row.kind == KERNEL:
        return (KERNEL,)
    if row.block is ABSENT:
        return () if row.symbol is ABSENT else ((row.symbol, row.module),)
    what = _within(row)
    return (what, row.verdict, row.points_to), (what, row.verdict), (row.block, row.verdict, None)


def _within(row: HolderRow) -> Hashable:
    """Return where in its block the word lies: its member, else its offset."""
    return row.member if isinstance(row.member, str) else row.block_offset


def _one_for_all(several: Sequence[HolderRow]) -> HolderRow:
    first = several[0]
    if len(several) == 1:
        return first
    if first.kind == KERNEL:
        what = "that the kernel keeps"
    elif first.block is ABSENT:
        what = f"words of {first.symbol}"
    elif isinstance(first.block, int) and len({_within(row) for row in several}) > 1:
        what = f"words of block {first.block:#x}"
    else:
        what = first.member if isinstance(first.member, str) else f"+{first.block_offset:#x} of blocks"
    return replace(first, holder=f"{len(several):,} {what}, the first: {first.holder}")


def way_lines(path: Sequence[NamedPlace]) -> Iterator[Line]:
    """Yield a line for each step, for steps that repeat one with how often they come: the way from one element of a
    container to another is a part of the step behind it."""
    steps = list(_without_links(path))
    for run in fold([_key(step, index, links) for index, (step, links) in enumerate(steps)]):
        for index in range(run.start, run.start + run.length):
            step, links = steps[index]
            through = f"through {links:,} link{'s' if links > 1 else ''} of the container: " if links else ""
            yield Line.plain(f"  {'→ ' if index else '  '}{through}{step}")
        if run.times > 1:
            what = "that step comes" if run.length == 1 else f"these {run.length} steps come"
            yield Line.plain(f"    … {what} {run.times:,} times", "dim")


def _without_links(path: Sequence[NamedPlace]) -> Iterator[tuple[NamedPlace, int]]:
    """Yield the steps but for links of containers, each with how many of these led to it."""
    links = 0
    for step in path:
        if step.is_link:
            links += 1
        else:
            yield step, links
            links = 0


def _key(step: NamedPlace, index: int, links: int) -> Hashable:
    """Return what is the same for steps that are told together: words at one place of blocks of one type."""
    is_step = step.block is not None and step.offset is not None
    return (step.type, step.member, step.offset, links > 0) if is_step else index
