"""heap: the whole heap on one screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gdbheap.analysis.memory_use.usage import HeapUsage, usage, usage_by_arena
from gdbheap.counted import counted
from gdbheap.glibc.chunk_table import MMAPPED_ARENA
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.naming import arena_name
from gdbheap.interface.command import Command
from gdbheap.report.report import ABSENT, Column, Line, Report
from gdbheap.session.target import Target
from gdbheap.session.threads_inside import lock_notes, taken_locks

# On one screen: the arenas with the most, and the tcaches of this many threads.
_ARENAS = 16
_THREADS = 8

_COLUMNS = (
    Column("kind", "text", shown=False),
    Column("part", "text"),
    Column("address", "address", "address"),
    Column("system_bytes", "bytes", heading="from the system"),
    Column("in_use", "count", heading="live"),
    Column("in_use_bytes", "bytes", heading="live bytes"),
    Column("free", "count"),
    Column("free_bytes", "bytes"),
    Column("top_bytes", "bytes", heading="top"),
)


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Sum up the heap."""
    view = target.heap()
    usages = usage_by_arena(view.table)
    parts = [_arena_row(view, index, usages.get(index, HeapUsage({}))) for index in range(len(view.arenas))]
    if MMAPPED_ARENA in usages:
        parts.append(_mmapped_row(view, usages[MMAPPED_ARENA]))
    tcaches = list(_tcache_rows(view))
    everything = usage(view.table)
    return Report(
        "heap",
        _COLUMNS,
        rows=[*parts, *tcaches],
        display_rows=[*_shown_parts(parts), *_shown_tcaches(view, tcaches)],
        totals={
            "chunks": len(view.table),
            "in_use": everything.in_use.count,
            "in_use_bytes": everything.in_use.bytes,
            "free": everything.free.count,
            "free_bytes": everything.free.bytes,
            "top_bytes": everything.top.bytes,
        },
        after=_after(view),
        notes=(*view.notes, *lock_notes(target, taken_locks(target))),
        faults=view.faults,
    )


def _arena_row(view: HeapView, index: int, here: HeapUsage) -> tuple[Any, ...]:
    arena = view.arenas[index]
    head = ("arena", f"arena {arena_name(index)}", arena.address, arena.system_mem)
    return (*head, here.in_use.count, here.in_use.bytes, here.free.count, here.free.bytes, here.top.bytes)


def _mmapped_row(view: HeapView, here: HeapUsage) -> tuple[Any, ...]:
    system = view.parameters["mmapped_mem"] if view.parameters else None
    head = ("mmapped", "mmapped chunks", ABSENT, system)
    return (*head, here.in_use.count, here.in_use.bytes, here.free.count, here.free.bytes, ABSENT)


def _tcache_rows(view: HeapView) -> Iterator[tuple[Any, ...]]:
    """Yield a row a thread; its chunks are counted in their arenas too."""
    for thread in view.layout.threads:
        address = thread.tcache.value if thread.tcache else None
        chunks = [chunk for each in view.bins if each.thread == thread.lwp for chunk in each.chunks]
        size = int(view.sizes_of(chunks).sum())
        free, free_bytes = (len(chunks), size) if thread.tcache else (None, None)
        yield "tcache", f"tcache of thread {thread.number}", address, ABSENT, ABSENT, ABSENT, free, free_bytes, ABSENT


def _shown_parts(parts: list[tuple[Any, ...]]) -> list[tuple[Any, ...] | Line]:
    """Return the arenas that hold most, in ring order, and a line for the others."""
    if len(parts) <= _ARENAS:
        return list(parts)
    most = sorted(parts, key=lambda row: -(row[3] or 0))[:_ARENAS]
    shown: list[tuple[Any, ...] | Line] = [row for row in parts if row in most]
    return [*shown, Line.plain(f"… {counted(len(parts) - _ARENAS, 'smaller arena')}: `heap arenas` lists all", "dim")]


def _shown_tcaches(view: HeapView, rows: list[tuple[Any, ...]]) -> list[Line]:
    lines = []
    for thread, row in list(zip(view.layout.threads, rows))[:_THREADS]:
        if thread.tcache is None:
            text = thread.reason or "none yet"
        else:
            text = f"{counted(row[6], 'chunk')}, {counted(row[7], 'byte')}, at {row[2]:#x}"
        lines.append(Line.plain(f"{row[1]}: {text}"))
    if len(rows) > _THREADS:
        lines.append(
            Line.plain(f"… {counted(len(rows) - _THREADS, 'more thread')}: `heap bins tcache` lists all", "dim")
        )
    return lines


def _after(view: HeapView) -> tuple[str | Line, ...]:
    layout = view.layout
    libc = f"glibc {layout.glibc_version}" if layout.glibc_version else "glibc, version not known"
    known = f"main_arena by {layout.main_arena.source}, structs by {layout.sources.get('malloc_state', 'built-in')}"
    lines = [f"{libc}; {known}"]
    if not view.complete:
        lines.append("the walk was interrupted: what follows the last chunk read is not counted")
    return (*lines, Line(tuple(_next())))


def _next() -> Iterator[tuple[str, str]]:
    yield "", "next: "
    for name in ("heap chunks", "heap bins", "heap sizes", "heap vis"):
        yield "command", name
        yield "", "; " if name == "heap vis" else ", "
    yield "command", "vmmap"
    yield "", " for the address space"


COMMAND = Command(
    name="heap",
    summary="Show the heap on one screen: arenas, mmapped chunks, tcaches, totals, faults.",
    description=(
        "live: chunks in use, including malloc's own (each thread's tcache); free: chunks in tcaches and bins; top: "
        "the rest of an arena's memory, which was never handed out or has been merged back. Chunks in a tcache are "
        "counted in the arena they lie in. Bytes are of whole chunks, headers included."
    ),
    run=run,
    examples=(("heap", "the whole heap at a glance"),),
)
