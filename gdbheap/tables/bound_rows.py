"""The bounds that the kernel keeps of a process's memory, each with how it is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from gdbheap.analysis.mappings.annotate import annotate
from gdbheap.analysis.mappings.memory_layout import Area, find_areas
from gdbheap.errors import HeapError
from gdbheap.glibc.layout import SYMBOL
from gdbheap.lazy import dataclass
from gdbheap.process.mm import BEHIND_BSS, HEAP_MAPPING, MM, NO_HEAP, UNLIMITED, read_mm
from gdbheap.process.process import Process
from gdbheap.report.printable import human_size
from gdbheap.report.rows import column
from gdbheap.session.heap_or_note import heap_or_note
from gdbheap.session.target import Target


@dataclass(frozen=True)
class BoundRow:
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
    "arg_start": "the text of the arguments begins",
    "arg_end": "the text of the arguments ends",
    "env_start": "the text of the environment begins",
    "env_end": "the text of the environment ends",
    "stack_limit": "the most that the main stack may grow to (ulimit -s)",
}
_BOTTOM_UP = "mappings are placed from here upwards (the legacy layout)"
_UNTOLD = "mappings are placed from here downwards (legacy layout: up)"

EXACT, AT_LEAST, AT_MOST = "exact", "at_least", "at_most"
_SIGNS = {EXACT: "", AT_LEAST: "≥ ", AT_MOST: "≤ "}


def areas_and_names(target: Target) -> tuple[Sequence[Area], Mapping[int, Sequence[str]]]:
    """Return the areas of the address space from high to low, and the names of the kernel's bounds by address."""
    brk, _ = libcs_break(target)
    found = read_mm(target.process, brk)
    mappings = annotate(target.process, heap_or_note(target)[0])
    return find_areas(mappings, found), names_by_address(bound_rows(found, target.process))


def libcs_break(target: Target) -> tuple[int | None, tuple[str, ...]]:
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


def bound_rows(found: MM, process: Process) -> list[BoundRow]:
    """Return a row for each bound, known or not."""
    return [_row(name, found, process) for name in MEANINGS]


def _row(name: str, found: MM, process: Process) -> BoundRow:
    """Return the row of a bound; one that is not known has no source either."""
    meaning = MEANINGS[name]
    if name == "stack_limit":
        return _limit_row(found.stack_limit, meaning)
    bound, precision = name, EXACT
    if name == "mmap_base":
        bound, precision = ("mmap_bottom", AT_MOST) if found.bottom_up else ("mmap_top", AT_LEAST)
        meaning = _BOTTOM_UP if found.bottom_up else _UNTOLD if found.bottom_up is None else meaning
    value = found.get(bound)
    if value is None:
        return BoundRow(name, None, "address", None, None, None, meaning)
    source = found.sources[bound]
    if name == "brk" and source in (HEAP_MAPPING, BEHIND_BSS):
        precision, meaning = AT_MOST, f"{meaning}; here rounded up to a page"
    elif name == "brk" and source == NO_HEAP:
        precision, meaning = AT_LEAST if value % process.page_size else EXACT, f"{meaning}; brk has made no heap"
    return BoundRow(name, f"{value:#x}", "address", precision, f"{_SIGNS[precision]}{value:#x}", source, meaning)


def _limit_row(limit: int | None, meaning: str) -> BoundRow:
    if limit is None:
        return BoundRow("stack_limit", None, "bytes", None, None, None, meaning)
    value, said = ("unlimited", "no limit") if limit == UNLIMITED else (limit, f"{limit:#x} ({human_size(limit)})")
    return BoundRow("stack_limit", value, "bytes", EXACT, said, "limits", meaning)


def names_by_address(rows: Sequence[BoundRow]) -> dict[int, list[str]]:
    """Return the names of the bounds by address, as they are drawn."""
    names: dict[int, list[str]] = {}
    for row in rows:
        if row.unit == "address" and isinstance(row.value, str) and row.precision is not None:
            words = row.name if row.precision == EXACT else f"{row.name} ({row.precision.replace('_', ' ')})"
            names.setdefault(int(row.value, 16), []).append(words)
    return names
