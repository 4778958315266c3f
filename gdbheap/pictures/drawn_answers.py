"""What answers look like as pictures, by their rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from gdbheap.errors import MemoryFault
from gdbheap.pictures.bars_svg import Bar, bars_svg
from gdbheap.pictures.bytes_svg import BLOCK, HEADER, PAST, BytePicture, ByteSpan, bytes_svg
from gdbheap.pictures.rss_picture import residency_svg
from gdbheap.report.printable import human_size
from gdbheap.report.report import ABSENT, Report

if TYPE_CHECKING:
    from gdbheap.pictures.svg import Svg
    from gdbheap.session.target import Target

_MOST_BARS, _MOST_SIZES, _MOST_BYTES = 20, 24, 4
_LOST = {"definitely_lost": "bad", "possibly_lost": "free"}


def facts_of(report: Report) -> list[dict[str, Any]]:
    """Return the rows by the names of their columns."""
    table = report.table
    names = [column.name for column in table.columns]
    return [dict(zip(names, cells)) for cells in map(table.cells_of(), table.rows)]


def rss_svg(report: Report) -> Svg:
    """Draw where the resident memory is as one stacked bar; of a core, what it has of it."""
    rows = facts_of(report)
    of_core = not any(isinstance(row["resident"], int) for row in rows)
    sizes = [(row["part"], row["in_core" if of_core else "resident"]) for row in rows]
    return residency_svg([(part, size) for part, size in sizes if isinstance(size, int)], of_core)


def sizes_svg(report: Report) -> Svg:
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
    more = f" ({left:,} sizes with fewer bytes are not drawn)" if left > 0 else ""
    legend = {"live": "bytes in use", "free": "bytes free"}
    return bars_svg(f"Bytes by chunk size{more}", bars, legend)


def leaks_svg(report: Report) -> Svg | None:
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
    return bars_svg(f"Groups of lost blocks, the largest {len(bars)} of {len(rows):,}", bars, legend)


def growth_svg(report: Report) -> Svg | None:
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
    return bars_svg("What changed most between the snapshots", bars, legend)


def broken_svgs(target: Target, report: Report) -> Iterator[Svg]:
    """Draw the bytes around each of the first broken fields that `heap check` tells of."""
    for row in facts_of(report)[:_MOST_BYTES]:
        picture = _bytes_of(target, row)
        if picture is not None:
            yield bytes_svg(picture, f"Bytes around {row['where']:#x}: {row['message']}")


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
