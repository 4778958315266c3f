"""The rows that a map is drawn in: many that look the same are told in one."""

from __future__ import annotations

from itertools import groupby

from gdbheap.analysis.chunk_use.heap_map import KINDS, HeapMap
from gdbheap.lazy import dataclass, np

# So many rows of one kind are drawn; of more than that the first, and a line for the others.
_ALIKE = 3


@dataclass(frozen=True)
class MapRow:
    """The cells [first, end) of a row; where `folded` is not 0, of so many rows that are all of one `kind`, `size`
    bytes in all."""

    first: int
    end: int
    folded: int = 0
    kind: str = ""
    size: int = 0


def map_rows(found: HeapMap, columns: int) -> list[MapRow]:
    """Return the rows of a map, `columns` wide: a stretch begins in a row of its own."""
    begins = [*np.flatnonzero(found.first).tolist(), len(found)]
    rows = [
        MapRow(first, min(first + columns, end))
        for begin, end in zip(begins, begins[1:])
        for first in range(begin, end, columns)
    ]
    kinds = [_only_kind(found, row) for row in rows]
    folded: list[MapRow] = []
    for (kind, _), run in groupby(range(len(rows)), key=lambda index: (kinds[index], _stretch(begins, rows[index]))):
        several = [rows[index] for index in run]
        if not kind or len(several) <= _ALIKE:
            folded += several
            continue
        first, end = several[1].first, several[-1].end
        size = int(found.end[end - 1] - found.start[first])
        folded += [several[0], MapRow(first, end, len(several) - 1, kind, size)]
    return folded


def _only_kind(found: HeapMap, row: MapRow) -> str:
    """Return the kind of all that is in the row; "" where there are several."""
    here = [kind for kind in KINDS if found.bytes[kind][row.first : row.end].any()]
    return here[0] if len(here) == 1 else ""


def _stretch(begins: list[int], row: MapRow) -> int:
    return sum(begin <= row.first for begin in begins)
