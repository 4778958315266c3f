"""The map of an arena as SVG: rows of cells, each filled from the left by what it holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gdbheap.analysis.chunk_use.heap_map import KINDS, LIVE, HeapMap
from gdbheap.counted import counted
from gdbheap.lazy import np
from gdbheap.pictures.map_rows import MapRow, map_rows
from gdbheap.pictures.svg import Svg
from gdbheap.report.printable import human_size

COLUMNS = 64
_PITCH, _SIDE = 12, 11
_LEFT, _TOP, _ROW = 118, 46, 14
_WIDTH = _LEFT + COLUMNS * _PITCH
# What lives shows in a cell, however little it is.
_LEAST = 2.0
WORDS = {
    "live": "in use",
    "free": "free, in memory",
    "given_back": "free, given back or never touched",
    "top": "top, in memory",
    "top_untouched": "top, not in memory",
    "other": "malloc's own, unknown",
}
# Where nobody tells which pages are in memory.
WORDS_OF_BYTES = {"live": "in use", "free": "free", "top": "top", "other": "malloc's own, unknown"}


def heap_map_svg(found: HeapMap, name: str) -> Svg:
    """Draw the map, with a legend above it and addresses on the left."""
    rows = map_rows(found, COLUMNS)
    totals = found.totals()
    words = words_of(found)
    told = ", ".join(f"{human_size(totals[kind])} {words[kind]}" for kind in words if totals[kind])
    svg = Svg(_WIDTH, _TOP + len(rows) * _ROW + 8, f"Heap map of arena {name}", f"{told}.")
    svg.text(0, 12, f"a cell: {human_size(found.cell)}", "dim")
    svg.legend(_LEFT, [(kind, words[kind]) for kind in words if totals[kind]])
    for number, row in enumerate(rows):
        y = _TOP + number * _ROW + 9
        if row.folded:
            svg.text(
                _LEFT, y, f"… {counted(row.folded, 'more row')} of {words[row.kind]}, {human_size(row.size)}", "dim"
            )
        else:
            svg.text(0, y, f"{int(found.start[row.first]):#x}", "dim")
    for kind in KINDS:
        steps = list(_steps(found, kind, rows))
        if steps:
            svg.path(steps, kind)
    return svg


def words_of(found: HeapMap) -> dict[str, str]:
    """Return what the kinds are called in this map."""
    return WORDS if found.pages_known else WORDS_OF_BYTES


def _steps(found: HeapMap, kind: str, rows: Sequence[MapRow]) -> Iterator[str]:
    """Yield the path of all that is of a kind: in each cell behind what is of the kinds before it."""
    size = np.maximum((found.end - found.start).astype(np.float64), 1)
    scale = _SIDE * size / found.cell
    widths = {each: found.bytes[each] / size * scale for each in KINDS}
    live = widths[LIVE]
    widths[LIVE] = np.where((live > 0) & (live < _LEAST), np.minimum(_LEAST, scale), live)
    before = sum((widths[each] for each in KINDS[: KINDS.index(kind)]), np.zeros(len(found)))
    width = np.minimum(widths[kind], scale - before)
    for number, row in enumerate(rows):
        y = _TOP + number * _ROW
        for cell in () if row.folded else (np.flatnonzero(width[row.first : row.end] > 0.05) + row.first).tolist():
            x = _LEFT + (cell - row.first) * _PITCH + before[cell]
            yield f"M{x:.1f} {y}h{width[cell]:.1f}v{_SIDE}h-{width[cell]:.1f}z"


def place_facts(found: HeapMap) -> dict[str, object]:
    """Return where cells lie in the drawing, so that a page can tell which is pointed at: of each row the first cell
    and the one behind its last."""
    rows = [[row.first, row.end] for row in map_rows(found, COLUMNS)]
    return {"left": _LEFT, "top": _TOP, "pitch": _PITCH, "row": _ROW, "columns": COLUMNS, "rows": rows}
