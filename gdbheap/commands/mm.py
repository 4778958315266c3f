"""`mm`: the bounds that the kernel keeps of the process's memory, the address space drawn by them, and how much
there is of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from gdbheap.analysis.mappings.annotate import annotate
from gdbheap.analysis.mappings.memory_layout import Sums, find_areas, sum_by_sharing, total, user_end
from gdbheap.errors import HeapError
from gdbheap.interface.command import Command
from gdbheap.pictures.drawn_file import SVG, with_svg
from gdbheap.pictures.mm_drawing import Drawing
from gdbheap.pictures.space_svg import space_svg
from gdbheap.process.live.proc_maps import MappingUsage, read_smaps
from gdbheap.process.mm import read_mm
from gdbheap.process.process import Process
from gdbheap.report.printable import human_size
from gdbheap.report.report import Facts, Line, Next, Prose, Report, Table
from gdbheap.report.rows import columns_of
from gdbheap.sentences.facts.said import said_all
from gdbheap.session.heap_or_note import heap_or_note
from gdbheap.session.target import Target
from gdbheap.tables.bound_rows import BoundRow, bound_rows, libcs_break, names_by_address

_SUMS = ("virtual", "resident", "anonymous", "swapped")


def mm(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Return a row for each bound, known or not, drawn for people above the table, and the totals."""
    process = target.process
    heap, notes = heap_or_note(target)
    mappings = annotate(process, heap)
    brk, doubt = libcs_break(target)
    found = read_mm(process, brk)
    usages = _usages(process)
    sums = sum_by_sharing(mappings, usages)
    whole = total(sums.values())
    areas = find_areas(mappings, found)
    rows = bound_rows(found, process)
    drawing = Drawing(
        areas,
        user_end(areas, process.machine),
        names_by_address(rows),
        found,
        process.main.path if process.main is not None else "",
    )
    report = Report(
        "mm",
        (
            Prose((*drawing.lines(), "") if areas else ()),
            Table(columns_of(BoundRow), rows),
            Prose(tuple(_sums_table(sums))),
            Facts(
                {
                    **{f"{name}_bytes": getattr(whole, name) for name in _SUMS},
                    "by_sharing": {sharing: _bytes(each) for sharing, each in sums.items()},
                }
            ),
        ),
        notes=(*said_all(process.notes), *notes, *doubt, *_unknown(process, usages)),
        next=(Next("vmmap", "mapping by mapping"),),
    )
    return with_svg(
        report, arguments, lambda: space_svg(areas, names_by_address(rows), user_end(areas, process.machine))
    )


def _usages(process: Process) -> list[MappingUsage] | None:
    """Return what smaps says of each mapping; None where nobody here can ask."""
    if process.kind != "live" or process.pid is None:
        return None
    try:
        return read_smaps(process.pid)
    except HeapError:
        return None


def _unknown(process: Process, usages: Sequence[MappingUsage] | None) -> Iterator[str]:
    if process.kind != "live" or process.pid is None:
        this = "a core" if process.kind == "core" else f"a {process.kind} process"
        yield f"the stack limit and resident sizes are not available for {this}"
    elif usages is None:
        yield f"/proc/{process.pid}/smaps cannot be read: what is in memory is not known"


def _bytes(sums: Sums) -> dict[str, int | None]:
    return {f"{name}_bytes": size for name, size in asdict(sums).items()}


def _sums_table(sums: Mapping[str, Sums]) -> Iterator[str | Line]:
    """Yield the sums of each sort as lines for people."""
    if not sums:
        return
    table: list[tuple[str, ...]] = [("", *_SUMS)]
    for sharing, each in sums.items():
        sizes = (getattr(each, name) for name in _SUMS)
        table.append((sharing.replace("_", " "), *("?" if size is None else human_size(size) for size in sizes)))
    widths = [max(map(len, column)) for column in zip(*table)]
    yield ""
    for index, (name, *cells) in enumerate(table):
        text = "  ".join([f"{name:<{widths[0]}}", *(f"{cell:>{width}}" for cell, width in zip(cells, widths[1:]))])
        yield Line.plain(text, "heading" if index == 0 else "")


COMMAND = Command(
    name="mm",
    summary="Draw the layout of the process's memory, with the bounds that the kernel keeps.",
    run=mm,
    description=(
        "Draws the address space from high addresses to low: the main stack, the mappings, brk's heap and the "
        "program, each with its size, the gaps between them and the direction of growth. Then come the bounds that "
        "the kernel keeps (struct mm_struct), each with how it is known (≥ and ≤ mark those of which only a limit is "
        "known), and the totals of each kind of mapping: mapped, resident, how much of that is anonymous (of private "
        "files: the pages that were written), and swapped out. For a core or a remote process, ? marks what cannot be "
        "known."
    ),
    arguments=(SVG,),
    examples=(
        ("mm", "the layout, the bounds and the totals"),
        ("mm --json", "the same for a program: addresses as hex strings, sizes in bytes"),
    ),
)
