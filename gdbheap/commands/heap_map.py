"""heap map: an arena's memory as a picture, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from gdbheap.analysis.chunk_use.heap_map import FREE, KINDS, LIVE
from gdbheap.counted import counted
from gdbheap.errors import UsageError
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.naming import arena_name
from gdbheap.interface.command import Argument, Command
from gdbheap.lazy import dataclass, np
from gdbheap.pictures.drawn_file import SVG, with_svg
from gdbheap.pictures.heap_map_svg import COLUMNS, heap_map_svg
from gdbheap.pictures.map_text import map_lines
from gdbheap.report.printable import human_size
from gdbheap.report.report import ABSENT, Absent, Facts, Line, Next, Prose, Report, Table
from gdbheap.report.rows import column, columns_of
from gdbheap.sentences.facts.said import said_all
from gdbheap.sentences.faults import faults_section
from gdbheap.session.heap_maps import arena_map, largest_arenas
from gdbheap.session.target import Target

if TYPE_CHECKING:
    from gdbheap.analysis.chunk_use.heap_map import HeapMap

_CELLS = 1_536
# A cell with less than this part in use is held by few.
_FEW = 0.25
# So many other arenas are named.
_NAMED = 6


@dataclass(frozen=True)
class _Row:
    """A cell of the map, and what it is filled with."""

    address: int = field(metadata=column("address", "address"))
    size: int = field(metadata=column("bytes"))
    live: int = field(metadata=column("bytes"))
    free: int = field(metadata=column("bytes"))
    given_back: int = field(metadata=column("bytes"))
    top: int = field(metadata=column("bytes"))
    top_untouched: int = field(metadata=column("bytes"))
    other: int = field(metadata=column("bytes"))
    largest: int | Absent = field(metadata=column("address", "mem"))


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Draw the map of an arena."""
    view = target.heap()
    index = _index(target, view, arguments["arena"])
    if index is None:
        return Report(
            "heap map",
            (Table(columns_of(_Row), []), faults_section(view.faults)),
            (*said_all(view.notes), "the heap has no chunks yet"),
        )
    found = arena_map(target, index, arguments["cells"] or _CELLS)
    name = arena_name(index)
    report = Report(
        "heap map",
        (
            Prose((Line.plain(f"arena {name}: each character is {human_size(found.cell)}", "heading"),)),
            Table(columns_of(_Row), list(_rows(view, found)), list(map_lines(found, COLUMNS))),
            Prose((*_survivors(found), *_others(target, index))),
            Facts({"arena": name, "cell": found.cell, "pages_known": found.pages_known, **found.totals()}, shown=False),
            faults_section(view.faults),
        ),
        notes=said_all(view.notes),
        next=_NEXT,
    )
    return with_svg(report, arguments, lambda: heap_map_svg(found, name))


def _index(target: Target, view: HeapView, name: str | None) -> int | None:
    """Return the arena of that name; without one the first in the ring that has any memory; None where none has."""
    with_memory = sorted(largest_arenas(target))
    if name is None:
        return with_memory[0] if with_memory else None
    for each in view.arenas:
        if arena_name(each.index) == name:
            if each.index not in with_memory:
                raise UsageError(f"arena {name} has no chunk")
            return each.index
    raise UsageError(
        f"there is no arena {name}: the arenas are {', '.join(arena_name(each.index) for each in view.arenas)}"
    )


def _rows(view: HeapView, found: HeapMap) -> Iterator[_Row]:
    """Yield a row for each cell."""
    table, header = view.table, view.layout.header
    columns = [found.start, found.end - found.start, *(found.bytes[kind] for kind in KINDS), found.largest]
    for *cells, row in zip(*(each.tolist() for each in columns)):
        largest = ABSENT if row < 0 else int(table.address[row]) + header
        yield _Row(*[*cells, largest])


def _survivors(found: HeapMap) -> Iterator[Line]:
    """Yield how much of the arena few blocks keep: cells that are mostly free, and not given back."""
    size = np.maximum((found.end - found.start).astype(np.float64), 1)
    live, free = found.bytes[LIVE], found.bytes[FREE]
    few = (live > 0) & (live < _FEW * size) & (free > 0)
    if few.any():
        text = (
            f"{counted(int(few.sum()), 'cell')} with less than a quarter in use: {human_size(int(live[few].sum()))} in "
            f"use keep {human_size(int(free[few].sum()))} of free memory from being returned"
        )
        yield Line.plain(text)


def _others(target: Target, index: int) -> Iterator[Line]:
    others = [each for each in largest_arenas(target) if each != index]
    if others:
        names = ", ".join(map(arena_name, others[:_NAMED])) + (", …" if len(others) > _NAMED else "")
        yield Line.plain(f"{counted(len(others), 'other arena')}: {names} (`heap map {arena_name(others[0])}`)", "dim")


_NEXT = (Next("heap rss", "what keeps it"), Next("heap retained", "who"))

COMMAND = Command(
    name="heap map",
    summary="Draw an arena's memory, cell by cell: in use, free, given back, top.",
    description=(
        "Each character stands for a cell of memory, whose size (a power of two) is given above the map. A cell with "
        "any block in use is █ (nearly full), ▓ (at least half) or ▒ (less: a survivor among free memory). A cell "
        "without one is o (free and resident), · (free, but returned to the system or never touched), ^ (top, "
        "resident), _ (top, not resident) or m (malloc's own, or unknown). Identical rows are folded. In a core, "
        "pages that hold anything but zeros are taken as resident; where nothing is known of the pages, free memory "
        "is o and top is ^.\n"
        "JSON has a row for each cell, with the bytes of each kind and the largest block in it."
    ),
    run=run,
    arguments=(
        Argument("ARENA", "name", "The arena: main, 1, 2, ... (default: main)."),
        Argument("--cells", "count", "Divide it into about this many cells (default: 1,536)."),
        SVG,
    ),
    examples=(
        ("heap map", "the main arena: where the free memory lies"),
        ("heap map 1 --svg map.svg", "arena 1, also drawn into a file"),
    ),
)
