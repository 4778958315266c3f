"""What heap owners shows people: many holders alike as one row, and a long way in short."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from gdbheap.interface.limit import left_out
from gdbheap.report.report import ABSENT, Column, Line
from gdbheap.sentences.folding import fold
from gdbheap.session.named_place import NamedPlace

# So many holders are rows of their own.
_FEW = 12


def rows_for_people(columns: Sequence[Column], rows: Sequence[tuple[Any, ...]], limit: int) -> list[Any]:
    """Return the rows, of many holders that are the same member of blocks one for all: "12,000 dictEntry.key"; cut at
    the limit."""
    place = {column.name: index for index, column in enumerate(columns)}
    alike: dict[Hashable, list[tuple[Any, ...]]] = {}
    for number, row in enumerate(rows):
        member = row[place["member"]]
        of_block = row[place["block"]] is not ABSENT
        named = (member if member is not ABSENT else row[place["block_offset"]]) if of_block else number
        key = (of_block, named, row[place["points_to"]], row[place["verdict"]]) if len(rows) > _FEW else number
        alike.setdefault(key, []).append(row)
    shown: list[Any] = []
    for several in alike.values():
        first = several[0]
        if len(several) > 1:
            member = first[place["member"]]
            what = f"+{first[place['block_offset']]:#x} of blocks" if member is ABSENT else member
            cells = list(first)
            cells[place["holder"]] = f"{len(several):,} {what}, the first: {first[place['holder']]}"
            first = tuple(cells)
        shown.append(first)
    if limit and len(shown) > limit:
        return [*shown[:limit], left_out(len(shown) - limit, "row")]
    return shown


def way_lines(path: Sequence[NamedPlace]) -> Iterator[Line]:
    """Yield a line for each step, for steps that repeat one with how often they come."""
    for run in fold([_key(step, index) for index, step in enumerate(path)]):
        for index in range(run.start, run.start + run.length):
            yield Line.plain(f"  {'→ ' if index else '  '}{path[index]}")
        if run.times > 1:
            what = "that step comes" if run.length == 1 else f"these {run.length} steps come"
            yield Line.plain(f"    … {what} {run.times:,} times", "dim")


def _key(step: NamedPlace, index: int) -> Hashable:
    """Return what is the same for steps that are told together: words at one place of blocks of one type."""
    is_step = step.block is not None and step.offset is not None
    return (step.type, step.member, step.offset) if is_step else index
