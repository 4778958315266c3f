"""heap sizes: a histogram of the chunk sizes, live and free."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from gdbheap.analysis.chunk_use.usage import SizeClass, size_classes
from gdbheap.counted import counted
from gdbheap.interface.command import Argument, Command
from gdbheap.interface.limit import count_argument, left_out, limit_of
from gdbheap.lazy import dataclass
from gdbheap.pictures.drawn_answers import sizes_svg
from gdbheap.pictures.drawn_file import SVG, with_svg
from gdbheap.report.report import Facts, GivesWay, Line, Next, Report, Table
from gdbheap.report.rows import column, columns_of
from gdbheap.sentences.facts.said import said_all
from gdbheap.sentences.faults import faults_section
from gdbheap.session.target import Target

_BAR = 40
_LIVE, _FREE, _NEARLY_NONE = "█", "░", "·"


def _drawn(live: float, free: float, most: int) -> str:
    """Return a bar of two parts, which is no longer than `most`."""
    blocks = round(live)
    return _LIVE * blocks + _FREE * min(round(free), most - blocks) or _NEARLY_NONE


def _scaled(bar: str, width: int) -> str:
    """Return the bar in a column of so many, where the longest has _BAR."""
    return _drawn(bar.count(_LIVE) * width / _BAR, bar.count(_FREE) * width / _BAR, width)


@dataclass(frozen=True)
class _Row:
    """The chunks of one size."""

    size: int = field(metadata=column("size", "size"))
    in_use: int = field(metadata=column("count"))
    in_use_bytes: int = field(metadata=column("bytes", heading="live bytes"))
    free: int = field(metadata=column("count"))
    free_bytes: int = field(metadata=column("bytes"))
    bar: str = field(
        default="",
        metadata=column(
            "strip", "preview", published=False, heading="live █ free ░", gives=(GivesWay(10, 16, _scaled),)
        ),
    )


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Count the chunks of each size."""
    view = target.heap()
    low, high = arguments["size"] or (None, None)
    classes = [each for each in size_classes(view) if each.size >= (low or 0) and (high is None or each.size <= high)]
    rows = [_Row(each.size, each.in_use, each.in_use_bytes, each.free, each.free_bytes) for each in classes]
    limit = limit_of(target, arguments)
    totals = {
        "sizes": len(classes),
        "in_use": sum(each.in_use for each in classes),
        "in_use_bytes": sum(each.in_use_bytes for each in classes),
        "free": sum(each.free for each in classes),
        "free_bytes": sum(each.free_bytes for each in classes),
    }
    display_rows = _display_rows(classes, rows, limit)
    report = Report(
        "heap sizes",
        (
            Table(
                columns_of(_Row), rows, display_rows, lambda count: [rows[each] for each in _heaviest(classes, count)]
            ),
            Facts(totals),
            faults_section(view.faults),
        ),
        notes=said_all(view.notes),
        next=tuple(_next(classes)),
    )
    return with_svg(report, arguments, lambda: sizes_svg(report))


def _display_rows(classes: Sequence[SizeClass], rows: Sequence[_Row], limit: int) -> list[_Row | Line]:
    """Return the sizes with the most bytes, in order of size, each with its bar; the others are counted in a last
    line."""
    weights = [each.in_use_bytes + each.free_bytes for each in classes]
    shown = _heaviest(classes, limit)
    most = max(weights, default=1)
    display_rows: list[_Row | Line] = [replace(rows[index], bar=_bar(classes[index], most)) for index in shown]
    if len(shown) < len(classes):
        left = sum(weights) - sum(weights[index] for index in shown)
        display_rows.append(left_out(len(classes) - len(shown), "size", f"with {counted(left, 'byte')} in all"))
    return display_rows


def _next(classes: Sequence[SizeClass]) -> Iterator[Next]:
    most = max(classes, key=lambda each: each.in_use_bytes, default=None)
    if most is not None and most.in_use:
        yield Next(f"heap chunks --size {most.size:#x} --state in_use", "those of the size with the most live bytes")
        yield Next("heap types", "the same by type")


def _heaviest(classes: Sequence[SizeClass], limit: int) -> list[int]:
    """Return the places of so many sizes with the most bytes (0: of all), in order of size."""
    by_weight = sorted(range(len(classes)), key=lambda at: -(classes[at].in_use_bytes + classes[at].free_bytes))
    return sorted(by_weight[:limit] if limit else by_weight)


def _bar(each: SizeClass, most: int) -> str:
    return _drawn(each.in_use_bytes * _BAR / most, each.free_bytes * _BAR / most, _BAR)


COMMAND = Command(
    name="heap sizes",
    summary="Show a histogram of chunk sizes, live and free.",
    description=(
        "Sizes are those of chunks, headers included. in use includes malloc's own chunks (each thread's tcache), as "
        "in `heap`. If there are more sizes than the limit, those with the most bytes are shown."
    ),
    run=run,
    arguments=(
        Argument("--size", "range", "Only chunks of these sizes, in bytes."),
        count_argument("sizes"),
        SVG,
    ),
    examples=(("heap sizes", "where the bytes are"), ("heap sizes --size 1k-", "only chunks of 1 KiB and more")),
)
