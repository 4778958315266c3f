"""`mm`: the bounds that the kernel keeps of the process's memory, the address space drawn by them, and how much
there is of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from gdbheap.analysis.mappings.annotate import annotate
from gdbheap.analysis.mappings.memory_layout import Area, Sums, find_areas, sum_by_sharing, total, user_end
from gdbheap.errors import HeapError
from gdbheap.glibc.layout import SYMBOL
from gdbheap.interface.command import Command
from gdbheap.pictures.mm_drawing import Drawing
from gdbheap.process.live.proc_maps import MappingUsage, read_smaps
from gdbheap.process.mm import BEHIND_BSS, HEAP_MAPPING, MM, NO_HEAP, UNLIMITED, read_mm
from gdbheap.process.process import Process
from gdbheap.report.printable import human_size
from gdbheap.report.report import Facts, Line, Prose, Report, Table
from gdbheap.report.rows import column, columns_of
from gdbheap.session.heap_or_note import heap_or_note
from gdbheap.session.target import Target


@dataclass(frozen=True)
class _Row:
    """A bound: for programs its value, in which unit and how exact; for people as it is said."""

    name: str = field(metadata=column("text", "symbol"))
    value: int | str | None = field(metadata=column("value", shown=False))
    unit: str = field(metadata=column(shown=False))
    precision: str | None = field(metadata=column(shown=False))
    said: str | None = field(metadata=column("text", "address", heading="value", published=False))
    source: str | None = field(metadata=column("text", "dim", heading="known by"))
    meaning: str = field(metadata=column())


# The rows, in order: the names are struct mm_struct's in the kernel.
MEANINGS = {
    "start_code": "the program's code begins",
    "end_code": "the program's code ends",
    "start_data": "the program's data begins",
    "end_data": "the program's data ends, as far as the file holds it; the bss follows",
    "start_brk": "brk's heap begins",
    "brk": "the program break, as sbrk(0) returns it",
    "mmap_base": "mappings are placed from here downwards",
    "start_stack": "the stack pointer when the program began",
    "arg_start": "the texts of the arguments begin",
    "arg_end": "the texts of the arguments end",
    "env_start": "the texts of the environment begin",
    "env_end": "the texts of the environment end",
    "stack_limit": "the most that the main stack may grow to (ulimit -s)",
}
_BOTTOM_UP = "mappings are placed from here upwards (the legacy layout)"

EXACT, AT_LEAST, AT_MOST = "exact", "at_least", "at_most"
_SIGNS = {EXACT: "", AT_LEAST: "≥ ", AT_MOST: "≤ "}

_SUMS = ("virtual", "resident", "anonymous", "swapped")


def mm(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Return a row for each bound, known or not, drawn for people above the table, and the totals."""
    process = target.process
    heap, notes = heap_or_note(target)
    mappings = annotate(process, heap)
    brk, doubt = _libcs_break(target)
    found = read_mm(process, brk)
    usages = _usages(process)
    sums = sum_by_sharing(mappings, usages)
    whole = total(sums.values())
    areas = find_areas(mappings, found)
    rows = [_row(name, found, target.process) for name in MEANINGS]
    drawing = Drawing(
        areas,
        user_end(areas, process.machine),
        _names(rows),
        found,
        process.main.path if process.main is not None else "",
    )
    return Report(
        "mm",
        (
            Prose((*drawing.lines(), "") if areas else ()),
            Table(columns_of(_Row), rows),
            Prose(tuple(_sums_table(sums))),
            Facts(
                {
                    **{f"{name}_bytes": getattr(whole, name) for name in _SUMS},
                    "by_sharing": {sharing: _bytes(each) for sharing, each in sums.items()},
                }
            ),
        ),
        notes=(*process.notes, *notes, *doubt, *_unknown(process, usages)),
    )


def areas_and_names(target: Target) -> tuple[Sequence[Area], Mapping[int, Sequence[str]]]:
    """Return the areas of the address space from high to low, and the names of the kernel's bounds by address."""
    brk, _ = _libcs_break(target)
    found = read_mm(target.process, brk)
    mappings = annotate(target.process, heap_or_note(target)[0])
    return find_areas(mappings, found), _names([_row(name, found, target.process) for name in MEANINGS])


def _libcs_break(target: Target) -> tuple[int | None, tuple[str, ...]]:
    """Return __curbrk where libc has it and it agrees with the mappings, and a note where it does not."""
    try:
        brk = target.layout().brk
    except HeapError:
        brk = None
    if brk is None or brk.source != SYMBOL or not brk.value:
        return None, ()
    mapped = [vma for vma in target.process.address_space if vma.path == "[heap]"]
    if mapped and not mapped[-1].end - target.process.page_size < brk.value <= mapped[-1].end:
        return None, (
            f"libc's break (__curbrk) is {brk.value:#x}, but the heap mapping ends at {mapped[-1].end:#x}: "
            "somebody else moved it",
        )
    return brk.value, ()


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


def _row(name: str, found: MM, process: Process) -> _Row:
    """Return the row of a bound; one that is not known has no source either."""
    meaning = MEANINGS[name]
    if name == "stack_limit":
        return _limit_row(found.stack_limit, meaning)
    bound, precision = name, EXACT
    if name == "mmap_base":
        bound, precision = ("mmap_bottom", AT_MOST) if found.bottom_up else ("mmap_top", AT_LEAST)
        meaning = _BOTTOM_UP if found.bottom_up else meaning
    value = found.get(bound)
    if value is None:
        return _Row(name, None, "address", None, None, None, meaning)
    source = found.sources[bound]
    if name == "brk" and source in (HEAP_MAPPING, BEHIND_BSS):
        precision, meaning = AT_MOST, f"{meaning}; here rounded up to a page"
    elif name == "brk" and source == NO_HEAP:
        precision, meaning = AT_LEAST if value % process.page_size else EXACT, f"{meaning}; brk has made no heap"
    return _Row(name, f"{value:#x}", "address", precision, f"{_SIGNS[precision]}{value:#x}", source, meaning)


def _limit_row(limit: int | None, meaning: str) -> _Row:
    if limit is None:
        return _Row("stack_limit", None, "bytes", None, None, None, meaning)
    value, said = ("unlimited", "no limit") if limit == UNLIMITED else (limit, f"{limit:#x} ({human_size(limit)})")
    return _Row("stack_limit", value, "bytes", EXACT, said, "limits", meaning)


def _names(rows: Sequence[_Row]) -> dict[int, list[str]]:
    """Return the names of the bounds by address, as they are drawn."""
    names: dict[int, list[str]] = {}
    for row in rows:
        if row.unit == "address" and isinstance(row.value, str) and row.precision is not None:
            words = row.name if row.precision == EXACT else f"{row.name} ({row.precision.replace('_', ' ')})"
            names.setdefault(int(row.value, 16), []).append(words)
    return names


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
    summary="Show the kernel's bounds of the process's memory, drawn as its layout.",
    run=mm,
    description=(
        "The address space from high addresses to low: the main stack, the mappings, brk's heap and the program, each "
        "with its size, the gaps between them and which way each grows. Then the bounds that the kernel keeps (struct "
        "mm_struct), each with how it is known; ≥ and ≤ mark those of which only a limit is known. Then the totals "
        "of each mapping type: mapped, in memory, of that in anonymous pages (of private files: the pages that were "
        "written), and swapped out. On a core or a remote process, what is not known is shown as ?."
    ),
    examples=(
        ("mm", "the layout, the bounds and the totals"),
        ("mm --json", "the same for a program: addresses as hex strings, sizes in bytes"),
    ),
)
