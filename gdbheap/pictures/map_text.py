"""The map of an arena in letters: a sign for each cell, by what it holds; colours only add to it."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.chunk_use.heap_map import FREE, GIVEN_BACK, LIVE, OTHER, TOP, TOP_UNTOUCHED, HeapMap
from gdbheap.counted import counted
from gdbheap.lazy import np
from gdbheap.pictures.heap_map_svg import words_of
from gdbheap.pictures.map_rows import map_rows
from gdbheap.report.printable import human_size
from gdbheap.report.report import Line

# A cell with blocks in use, by how much of it they take: nearly all, half, less.
_LEVELS = ((7 / 8, "█"), (1 / 2, "▓"), (0.0, "▒"))
_SIGNS = {FREE: "o", GIVEN_BACK: "·", TOP: "^", TOP_UNTOUCHED: "_", OTHER: "m"}
_TOKENS = {
    LIVE: "state.in_use",
    FREE: "state.large",
    GIVEN_BACK: "dim",
    TOP: "state.top",
    TOP_UNTOUCHED: "dim",
    OTHER: "state.malloc_owned",
}
# Between an address and the cells.
_GAP = " "


def map_lines(found: HeapMap, columns: int) -> Iterator[Line]:
    """Yield the lines of the map, then its legend with what there is of each kind."""
    words = words_of(found)
    indent = len(f"{int(found.end[-1]):#x}") if len(found) else 0
    signs, kinds = _cells(found)
    for row in map_rows(found, columns):
        if row.folded:
            told = f"… {counted(row.folded, 'more row')} of {words[row.kind]}, {human_size(row.size)}"
            yield Line.plain(f"{'':{indent}}{_GAP}{told}", "dim")
            continue
        pieces = [("address", f"{int(found.start[row.first]):>#{indent}x}"), ("", _GAP)]
        yield Line((*pieces, *_runs(signs[row.first : row.end], kinds[row.first : row.end])))
    yield from _legend(found)


def _cells(found: HeapMap) -> tuple[list[str], list[str]]:
    """Return the sign and the kind of each cell: blocks in use show however few they are, of the rest the most."""
    size = np.maximum((found.end - found.start).astype(np.float64), 1)
    live = found.bytes[LIVE] / size
    rest = list(_SIGNS)
    most = np.argmax(np.stack([found.bytes[kind] for kind in rest]), axis=0).tolist() if len(found) else []
    signs, kinds = [], []
    for share, index in zip(live.tolist(), most):
        kind = LIVE if share > 0 else rest[index]
        signs.append(next(sign for least, sign in _LEVELS if share >= least) if share > 0 else _SIGNS[kind])
        kinds.append(kind)
    return signs, kinds


def _runs(signs: list[str], kinds: list[str]) -> Iterator[tuple[str, str]]:
    """Yield pieces of one kind."""
    first = 0
    for at in range(1, len(signs) + 1):
        if at == len(signs) or kinds[at] != kinds[first]:
            yield _TOKENS[kinds[first]], "".join(signs[first:at])
            first = at


def _legend(found: HeapMap) -> Iterator[Line]:
    totals, words = found.totals(), words_of(found)
    for kind in words:
        if totals[kind]:
            sign = "".join(sign for _, sign in _LEVELS) if kind == LIVE else _SIGNS[kind]
            more = " (nearly all of the cell, half, less)" if kind == LIVE else ""
            yield Line(
                (
                    (_TOKENS[kind], f"  {sign}"),
                    ("", f"{'':{4 - len(sign)}}{words[kind]}: {human_size(totals[kind])}{more}"),
                )
            )
