"""The sections of `heap report`'s page: each is one command's answer, with the picture that goes with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gdbheap.errors import MemoryFault
from gdbheap.pictures.bars_svg import Bar, bars_svg, stacked_svg
from gdbheap.pictures.bytes_svg import BLOCK, HEADER, PAST, BytePicture, ByteSpan, bytes_svg
from gdbheap.pictures.html_table import html_table
from gdbheap.pictures.page import Figure, Section
from gdbheap.report.printable import human_size
from gdbheap.report.report import ABSENT, Faults, Line, Prose, Report, Table
from gdbheap.report.report import Section as SectionOfReport

if TYPE_CHECKING:
    from gdbheap.session.target import Target

_MOST_TABLE, _MOST_BARS, _MOST_SIZES, _MOST_BYTES = 200, 20, 24, 4
_LOST = {"definitely_lost": "bad", "indirectly_lost": "other", "possibly_lost": "free", "still_reachable": "live"}
# The parts of the resident memory, by the classes they are drawn in.
_PARTS = {
    "in_use": "part0",
    "mmapped_in_use": "part1",
    "tcache": "part2",
    "fastbin": "part2",
    "unsorted": "part2",
    "small": "part2",
    "large": "part2",
    "top": "part3",
    "malloc_own": "part4",
    "around": "part4",
    "anonymous": "part5",
    "stacks": "part6",
    "module_data": "part7",
    "files": "part8",
    "shared": "part9",
}


def section(name: str, title: str, report: Report, figures: Sequence[Figure] = ()) -> Section:
    """Return the section of an answer: what it says in lines, the pictures, the rows."""
    lines = [line for each in report.sections for line in _lines(each)]
    alone = any(isinstance(each, Table) and any(_lines(each)) for each in report.sections)
    caption = f"{title}: the rows of `{report.command}`"
    table = "".join(html_table(report.table, caption, _MOST_TABLE, ("kind",), alone))
    return Section(name, title, tuple(filter(None, lines)), tuple(figures), (table,) if table else (), report.notes)


def _lines(part: SectionOfReport) -> Iterator[str]:
    """Yield the lines of a part of a report; of a table those that it shows to people instead of rows."""
    if isinstance(part, Prose):
        yield from map(_text, part.lines)
    elif isinstance(part, Faults) and part.shown:
        yield from (f"fault at {each.address:#x}: {each.message}" for each in part.found)
    elif isinstance(part, Table) and all(isinstance(each, Line) for each in part.displayed):
        yield from map(_text, part.displayed)


def _text(line: str | Line) -> str:
    return line if isinstance(line, str) else "".join(text for _, text in line.pieces).rstrip()


def facts_of(report: Report) -> list[dict[str, Any]]:
    """Return the rows by the names of their columns."""
    table = report.table
    names = [column.name for column in table.columns]
    return [dict(zip(names, cells)) for cells in map(table.cells_of(), table.rows)]


def residency_figure(report: Report) -> Figure:
    """Draw where the resident memory is as one stacked bar; of a core, what it has of it."""
    rows = facts_of(report)
    held = "resident" if any(isinstance(row["resident"], int) for row in rows) else "in_core"
    parts = [
        (_PARTS.get(row["part"], "part9"), str(row["what"]), row[held])
        for row in rows
        if isinstance(row[held], int) and row[held] > 0
    ]
    what = "resident" if held == "resident" else "in the core"
    return Figure(f"Each part as long as what of it is {what}.", stacked_svg(f"Memory that is {what}", parts))


def sizes_figure(report: Report) -> Figure:
    """Draw the histogram of sizes: those with the most bytes, in order of size."""
    rows = sorted(facts_of(report), key=lambda row: -(row["in_use_bytes"] + row["free_bytes"]))[:_MOST_SIZES]
    bars = [
        Bar(
            f"{row['size']:#x}",
            (("live", row["in_use_bytes"]), ("free", row["free_bytes"])),
            f"{row['in_use']:,} live, {row['free']:,} free",
        )
        for row in sorted(rows, key=lambda row: int(row["size"]))
    ]
    left = len(report.table.rows) - len(bars)
    more = f" {left:,} sizes with fewer bytes are not drawn." if left > 0 else ""
    legend = {"live": "bytes in use", "free": "bytes free"}
    return Figure(f"Bytes by chunk size.{more}", bars_svg("Histogram of chunk sizes", bars, legend))


def leaks_figure(report: Report) -> Figure | None:
    """Draw the groups of lost blocks with the most bytes, with what hangs on them."""
    rows = [row for row in facts_of(report) if row["kind"] in ("definitely_lost", "possibly_lost")]
    if not rows:
        return None
    rows.sort(key=lambda row: -(row["bytes"] + row["hanging_bytes"]))
    bars = [
        Bar(
            f"{row['what']} ({row['chunk_size']:#x})",
            ((_LOST[row["kind"]], row["bytes"]), ("other", row["hanging_bytes"])),
            f"{human_size(row['bytes'] + row['hanging_bytes'])} in {row['count'] + row['hanging_count']:,}",
        )
        for row in rows[:_MOST_BARS]
    ]
    legend = {"bad": "definitely lost", "free": "possibly lost", "other": "hanging on it"}
    return Figure(f"Groups of lost blocks, the largest {len(bars)} of {len(rows):,}.", bars_svg("Leaks", bars, legend))


def growth_figure(report: Report) -> Figure | None:
    """Draw what grew and what shrank between snapshots."""
    name = "grown_bytes" if any(column.name == "grown_bytes" for column in report.table.columns) else "steady_bytes"
    rows = sorted((row for row in facts_of(report) if row[name]), key=lambda row: -abs(row[name]))[:_MOST_BARS]
    if not rows:
        return None
    bars = [
        Bar(f"{row['what']} ({row['chunk_size']:#x})", (("grown" if row[name] > 0 else "shrunk", row[name]),))
        for row in rows
    ]
    legend = {"grown": "grown by", "shrunk": "shrunk by"}
    return Figure("The groups that changed most.", bars_svg("Growth between the snapshots", bars, legend))


def broken_figures(target: Target, report: Report) -> Iterator[Figure]:
    """Draw the bytes around each of the first broken fields that `heap check` tells of."""
    for row in facts_of(report)[:_MOST_BYTES]:
        picture = _bytes_of(target, row)
        if picture is not None:
            caption = str(row["message"])
            yield Figure(caption, bytes_svg(picture, f"Bytes around {row['where']:#x}: {caption}"))


def _bytes_of(target: Target, row: Mapping[str, Any]) -> BytePicture | None:
    word = target.process.pointer_size
    where, writer = row["where"], row["writer_chunk"]
    if not isinstance(where, int) or not row["field"]:
        return None
    start = (where & -16) - 48
    spans = []
    if row["writer"] == "overrun" and isinstance(writer, int):
        # The word before the size field is the block's last.
        edge = where if row["field"] == "size" else where + word
        spans.append(ByteSpan(max(writer + 2 * word, start), edge, BLOCK))
        spans.append(ByteSpan(edge, edge + word, HEADER))
        spans.append(ByteSpan(edge, edge + max(int(row["overrun"]), 1), PAST))
    else:
        spans.append(ByteSpan(where, where + word, HEADER))
    try:
        data = target.process.memory.read(start, 128)
    except MemoryFault:
        return None
    found = f"{row['field']} at {where:#x}"
    held = f" holds {row['held']:#x}" if isinstance(row["held"], int) else ""
    lines = [f"{found}{held}, must be {row['expected']}"]
    if isinstance(writer, int):
        by = f", by {row['overrun']:,} bytes at least" if row["overrun"] else ""
        lines.append(f"probably {str(row['writer']).replace('_', ' ')} of the block at {writer:#x}{by}")
    if row["bytes"] and row["bytes"] is not ABSENT:
        lines.append(f"written there: {row['bytes']}")
    return BytePicture(start, data, spans, (where, where + word), lines)
