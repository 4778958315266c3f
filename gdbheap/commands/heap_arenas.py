"""heap arenas: every arena of the ring, with what it has from the system and what of it is in use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from gdbheap.analysis.chunk_use.usage import HeapUsage, usage_by_arena
from gdbheap.glibc.heap_view import NONCONTIGUOUS, Arena, HeapView
from gdbheap.glibc.naming import arena_name
from gdbheap.interface.command import Command
from gdbheap.lazy import dataclass
from gdbheap.report.report import Facts, Next, Report, Table
from gdbheap.report.rows import column, columns_of, goes
from gdbheap.sentences.facts.said import said_all
from gdbheap.sentences.faults import faults_section
from gdbheap.session.target import Target


@dataclass(frozen=True)
class _Row:
    """An arena."""

    arena: str = field(metadata=column())
    address: int = field(metadata=column("address", "address", gives=goes(6)))
    heaps: int = field(metadata=column("count", gives=goes(5)))
    start: int | None = field(metadata=column("address", "address"))
    end: int | None = field(metadata=column("address", "address"))
    system_bytes: int = field(metadata=column("bytes", heading="from the system"))
    max_system_bytes: int = field(metadata=column("bytes", heading="at most", gives=goes(2)))
    in_use_bytes: int = field(metadata=column("bytes", heading="in use"))
    free_bytes: int = field(metadata=column("bytes", heading="free"))
    top: int = field(metadata=column("address", "address", gives=goes(3)))
    top_bytes: int = field(metadata=column("bytes"))
    attached_threads: int = field(metadata=column("count", heading="threads", gives=goes(7)))
    threads: list[int] = field(metadata=column("list", shown=False))
    contiguous: bool = field(metadata=column("flag", gives=goes(1)))
    locked: bool = field(metadata=column("flag", gives=goes(4)))


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """List the arenas."""
    view = target.heap()
    usages = usage_by_arena(view.table)
    rows = [_row(view, arena, usages.get(arena.index, HeapUsage({}))) for arena in view.arenas]
    totals = {"arenas": len(view.arenas), "system_bytes": sum(arena.system_mem for arena in view.arenas)}
    return Report(
        "heap arenas",
        (
            Table(columns_of(_Row), rows),
            Facts(totals),
            faults_section(view.faults),
        ),
        notes=said_all(view.notes),
        next=(Next("heap map", "where the free memory is"), Next("heap rss", "how much of it is resident")),
    )


def _row(view: HeapView, arena: Arena, here: HeapUsage) -> _Row:
    return _Row(
        arena=arena_name(arena.index),
        address=arena.address,
        heaps=len(arena.regions),
        start=min((each.start for each in arena.regions), default=None),
        end=max((each.end for each in arena.regions), default=None),
        system_bytes=arena.system_mem,
        max_system_bytes=arena.value["max_system_mem"],
        in_use_bytes=here.in_use.bytes,
        free_bytes=here.free.bytes,
        top=arena.top,
        top_bytes=arena.top_size,
        attached_threads=arena.value["attached_threads"],
        threads=[each.lwp for each in view.layout.threads if each.arena and each.arena.value == arena.address],
        contiguous=not arena.value["flags"] & NONCONTIGUOUS,
        locked=bool(arena.value["mutex"]),
    )


COMMAND = Command(
    name="heap arenas",
    summary="List the arenas, in ring order, main first.",
    description=(
        "heaps: how many separate stretches of memory the arena has. Arenas other than main grow by whole heaps "
        "(heap_info); main has more than one stretch only where other code moved brk, or brk failed. threads: how "
        "many threads malloc counts as attached. free does not include top."
    ),
    run=run,
    examples=(("heap arenas", "all arenas"),),
)
