"""heap: the whole heap on one screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from typing import Any

from gdbheap.analysis.chunk_use.usage import HeapUsage, usage, usage_by_arena
from gdbheap.counted import counted
from gdbheap.glibc.chunk_table import MMAPPED_ARENA
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.naming import arena_name
from gdbheap.interface.command import Command
from gdbheap.lazy import dataclass
from gdbheap.report.report import ABSENT, Absent, Facts, Line, Next, Prose, Report, Table
from gdbheap.report.rows import column, columns_of
from gdbheap.sentences.facts.said import said, said_all
from gdbheap.sentences.faults import faults_section
from gdbheap.session.target import Target
from gdbheap.session.threads_inside import lock_notes, taken_locks

# On one screen: the arenas with the most, and the tcaches of this many threads.
_ARENAS = 16
_THREADS = 8


@dataclass(frozen=True)
class _Part:
    """A row: an arena, the mmapped chunks, a tcache."""

    kind: str = field(metadata=column(shown=False))
    part: str = field(metadata=column())
    address: int | Absent | None = field(metadata=column("address", "address"))
    system_bytes: int | Absent | None = field(default=ABSENT, metadata=column("bytes", heading="from the system"))
    in_use: int | Absent = field(default=ABSENT, metadata=column("count", heading="live"))
    in_use_bytes: int | Absent = field(default=ABSENT, metadata=column("bytes", heading="live bytes"))
    free: int | Absent | None = field(default=ABSENT, metadata=column("count"))
    free_bytes: int | Absent | None = field(default=ABSENT, metadata=column("bytes"))
    top_bytes: int | Absent = field(default=ABSENT, metadata=column("bytes", heading="top"))


_NEXT = (
    Next("heap leaks", "what is lost"),
    Next("heap retained", "who holds it"),
    Next("heap rss", "what is in memory"),
    Next("heap map", "where the free memory is"),
    Next("heap check", "whether it is intact"),
    Next("heap chunks", "chunk by chunk"),
)


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Sum up the heap."""
    view = target.heap()
    usages = usage_by_arena(view.table)
    parts = [_arena(view, index, usages.get(index, HeapUsage({}))) for index in range(len(view.arenas))]
    if MMAPPED_ARENA in usages:
        parts.append(_mmapped(view, usages[MMAPPED_ARENA]))
    tcaches = list(_tcaches(view))
    everything = usage(view.table)
    return Report(
        "heap",
        (
            Table(
                columns_of(_Part),
                [*parts, *tcaches],
                [*_shown_parts(parts), *_shown_tcaches(view, tcaches)],
            ),
            Prose(_after(view)),
            Facts(
                {
                    "chunks": len(view.table),
                    "in_use": everything.in_use.count,
                    "in_use_bytes": everything.in_use.bytes,
                    "free": everything.free.count,
                    "free_bytes": everything.free.bytes,
                    "top_bytes": everything.top.bytes,
                }
            ),
            Facts(_known(view), shown=False),
            faults_section(view.faults),
        ),
        notes=(*said_all(view.notes), *lock_notes(target, taken_locks(target))),
        next=_NEXT,
    )


def _arena(view: HeapView, index: int, here: HeapUsage) -> _Part:
    arena = view.arenas[index]
    name = f"arena {arena_name(index)}"
    return _used(_Part("arena", name, arena.address, arena.system_mem, top_bytes=here.top.bytes), here)


def _mmapped(view: HeapView, here: HeapUsage) -> _Part:
    system = view.parameters["mmapped_mem"] if view.parameters else None
    return _used(_Part("mmapped", "mmapped chunks", ABSENT, system), here)


def _used(part: _Part, here: HeapUsage) -> _Part:
    live, free = here.in_use, here.free
    return replace(part, in_use=live.count, in_use_bytes=live.bytes, free=free.count, free_bytes=free.bytes)


def _tcaches(view: HeapView) -> Iterator[_Part]:
    """Yield a part a thread; its chunks are counted in their arenas too."""
    for thread in view.layout.threads:
        address = thread.tcache.value if thread.tcache else None
        chunks = [chunk for each in view.bins if each.thread == thread.lwp for chunk in each.chunks]
        size = int(view.sizes_of(chunks).sum())
        free, free_bytes = (len(chunks), size) if thread.tcache else (None, None)
        yield _Part("tcache", f"tcache of thread {thread.number}", address, free=free, free_bytes=free_bytes)


def _shown_parts(parts: list[_Part]) -> list[_Part | Line]:
    """Return the arenas that hold most, in ring order, and a line for the others."""
    sizes = [part.system_bytes if isinstance(part.system_bytes, int) else 0 for part in parts]
    most = sorted(range(len(parts)), key=lambda index: -sizes[index])[:_ARENAS]
    shown: list[_Part | Line] = [parts[index] for index in sorted(most)]
    if len(parts) <= _ARENAS:
        return shown
    return [*shown, Line.plain(f"… {counted(len(parts) - _ARENAS, 'smaller arena')}: `heap arenas` lists all", "dim")]


def _shown_tcaches(view: HeapView, tcaches: list[_Part]) -> list[Line]:
    lines = []
    for thread, part in list(zip(view.layout.threads, tcaches))[:_THREADS]:
        text = said(thread.reason) if thread.reason else "none yet"
        if isinstance(part.address, int) and isinstance(part.free, int) and isinstance(part.free_bytes, int):
            text = f"{counted(part.free, 'chunk')}, {counted(part.free_bytes, 'byte')}, at {part.address:#x}"
        lines.append(Line.plain(f"{part.part}: {text}"))
    if len(tcaches) > _THREADS:
        lines.append(
            Line.plain(f"… {counted(len(tcaches) - _THREADS, 'more thread')}: `heap bins tcache` lists all", "dim")
        )
    return lines


def _after(view: HeapView) -> tuple[str, ...]:
    layout = view.layout
    libc = f"glibc {layout.glibc_version}" if layout.glibc_version else "glibc, version not known"
    known = f"main_arena by {layout.main_arena.source}, structs by {layout.sources.get('malloc_state', 'built-in')}"
    lines = [f"{libc}; {known}"]
    if not view.complete:
        lines.append("the walk was interrupted: what follows the last chunk read is not counted")
    return tuple(lines)


def _known(view: HeapView) -> dict[str, Any]:
    """Return the glibc that this is, and how its places and structures are known."""
    layout = view.layout
    return {
        "glibc_version": layout.glibc_version or None,
        "main_arena_source": layout.main_arena.source,
        "structs_source": layout.sources.get("malloc_state", "built-in"),
        "is_complete": view.complete,
    }


COMMAND = Command(
    name="heap",
    summary="Show the heap on one screen: arenas, mmapped chunks, tcaches, totals, faults.",
    description=(
        "live: chunks in use, including malloc's own (each thread's tcache); free: chunks in tcaches and bins; top: "
        "the rest of an arena's memory, never handed out or merged back since. A chunk in a tcache is counted in the "
        "arena it lies in. Sizes are those of whole chunks, headers included."
    ),
    run=run,
    examples=(("heap", "the whole heap at a glance"),),
)
