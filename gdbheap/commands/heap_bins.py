"""heap bins: every free list, in the order in which malloc takes from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from gdbheap.counted import counted
from gdbheap.glibc.heap_view import Bin, HeapView
from gdbheap.glibc.naming import arena_name, owner_name, short_name
from gdbheap.interface.command import Argument, Command
from gdbheap.interface.limit import count_argument, first_of, limit_of
from gdbheap.lazy import dataclass
from gdbheap.process.fault import Fault
from gdbheap.report.report import ABSENT, Absent, Facts, Line, Next, Report, Table
from gdbheap.report.rows import column, columns_of
from gdbheap.sentences.facts.said import said, said_all
from gdbheap.sentences.faults import faults_section
from gdbheap.session.target import Target

KINDS = ("tcache", "fastbin", "unsorted", "small", "large")
_CHUNKS = "chunk addresses, the next one taken first"


@dataclass(frozen=True)
class _Row:
    """A free list."""

    kind: str = field(metadata=column("text", "state"))
    arena: str | Absent = field(metadata=column())
    thread: int | Absent = field(metadata=column("count"))
    index: int = field(metadata=column("count"))
    min_size: int = field(metadata=column("size", "size", heading="from"))
    max_size: int | None = field(metadata=column("size", "size", heading="to"))
    count: int = field(metadata=column("count", heading="chunks"))
    bytes: int = field(metadata=column("bytes"))
    stored_count: int | Absent | None = field(metadata=column("count", heading="counted"))
    chunks: Sequence[int] = field(metadata=column("list", "address", heading=_CHUNKS))
    fault: str | Absent = field(metadata=column("text", "fault", shown=False))
    bin: str = field(metadata=column(shown=False))
    thread_number: int | Absent = field(metadata=column("number", shown=False))


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """List the free lists of the kinds asked for, with both link directions checked."""
    view = target.heap()
    kinds = arguments["kind"] or KINDS
    bins = [each for each in view.bins if each.kind in kinds]
    sizes = _sizes(view, bins)
    rows = [_row(each, size) for each, size in zip(bins, sizes)]
    limit = limit_of(target, arguments)
    return Report(
        "heap bins",
        (
            Table(columns_of(_Row), rows, list(_display_rows(view, bins, kinds, limit)), _cut(rows)),
            Facts({"bins": len(bins), "chunks": sum(len(each.chunks) for each in bins), "free_bytes": sum(sizes)}),
            faults_section(view.faults),
        ),
        notes=said_all(view.notes),
        next=(Next("heap check", "whether the lists are intact"), Next("heap sizes", "what is free and live by size")),
    )


def _cut(rows: Sequence[_Row]) -> Callable[[int], Sequence[_Row]]:
    """Return what gives every list with so many of its chunks (`count` tells of the others)."""
    return lambda count: [replace(row, chunks=row.chunks[:count]) for row in rows]


def _row(each: Bin, size: int) -> _Row:
    return _Row(
        kind=each.kind,
        arena=ABSENT if each.arena is None else arena_name(each.arena),
        thread=ABSENT if each.thread is None else each.thread,
        index=each.index,
        min_size=each.min_size,
        max_size=each.max_size,
        count=len(each.chunks),
        bytes=size,
        stored_count=each.count if each.kind == "tcache" else ABSENT,
        chunks=each.chunks,
        fault=said(each.fault.message) if each.fault else ABSENT,
        bin=short_name(each),
        thread_number=ABSENT if each.thread_number is None else each.thread_number,
    )


def _sizes(view: HeapView, bins: Sequence[Bin]) -> list[int]:
    """Return the bytes that each list holds."""
    return [int(view.sizes_of(each.chunks).sum()) for each in bins]


def _display_rows(view: HeapView, bins: Sequence[Bin], kinds: Sequence[str], limit: int | None) -> Iterator[Line]:
    for kind in KINDS:
        if kind not in kinds:
            continue
        if kind == "fastbin" and not view.layout.has_fastbins:
            yield Line.plain("fastbin: this glibc has none (they went in 2.43)", "dim")
        elif not any(each.kind == kind for each in bins):
            yield Line.plain(f"{kind}: {_why_none(view, kind)}", "dim")
        for each in bins:
            if each.kind == kind:
                yield from _bin_lines(view, each, limit)


def _why_none(view: HeapView, kind: str) -> str:
    if kind != "tcache":
        return "empty"
    unknown, known = view.layout.unknown_tcaches, any(thread.tcache for thread in view.layout.threads)
    if unknown:
        numbers = ", ".join(str(each.number) for each in unknown)
        rest = f"{counted(len(unknown), 'thread')} whose tcaches are not known: {numbers}"
        return f"empty, but for {rest}" if known else rest
    if not known:
        return "no thread has one"
    return "empty"


def _bin_lines(view: HeapView, each: Bin, limit: int | None) -> Iterator[Line]:
    """Yield one line a bin: owner, sizes, count, and its chunks up to the limit."""
    owner = owner_name(each)
    sizes = (
        f"{each.min_size:#x}"
        if each.min_size == each.max_size
        else f"{each.min_size:#x}.." + ("" if each.max_size is None else f"{each.max_size:#x}")
    )
    head = short_name(each)
    pieces: list[tuple[str, str]] = [(f"state.{each.kind}", f"{head:<14}"), ("", f"{owner:<22} ")]
    pieces += [("size", f"{'' if each.kind == 'unsorted' else sizes:<16}"), ("", f"{_count(each):>7}  ")]
    shown = first_of(each.chunks, limit)
    arrow = " → " if each.kind in ("tcache", "fastbin") else " ↔ "
    pieces.append(("address", arrow.join(f"{chunk:#x}" for chunk in shown)))
    if len(shown) < len(each.chunks):
        pieces.append(("dim", f"{arrow}… {len(each.chunks) - len(shown):,} more (--count 0 shows all)"))
    yield Line(tuple(pieces))
    if each.fault:
        yield Line.plain(f"    broken at {each.fault.address:#x}: {_broken(each.fault)}", "fault")


def _broken(fault: Fault) -> str:
    return said(fault.message) if fault.detail is None else f"{said(fault.message)}: {said(fault.detail)}"


def _count(each: Bin) -> str:
    """Return the length, and beside it the count that malloc keeps where that differs."""
    length = len(each.chunks)
    return f"{length:,}" if each.count is None or each.count == length else f"{length:,} (counted {each.count:,})"


COMMAND = Command(
    name="heap bins",
    summary="List the free lists: tcaches, fastbins, unsorted, small and large bins.",
    description=(
        "Chunks are listed in the order in which malloc takes them: from the head of tcaches and fastbins, from the "
        "bk end of the other lists. Links are demangled where this glibc mangles them (safe-linking, 2.32 and later). "
        "Doubly linked lists are checked in both directions; a broken list is shown as far as it holds, followed by "
        "the fault."
    ),
    run=run,
    arguments=(
        Argument("KIND", "choice", "Only lists of these kinds.", choices=KINDS),
        count_argument("chunks of each list"),
    ),
    examples=(("heap bins", "every free list that is not empty"), ("heap bins tcache", "each thread's tcache")),
)
