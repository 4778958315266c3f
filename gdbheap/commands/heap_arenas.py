"""heap arenas: every arena of the ring, with what it has from the system and what of it is in use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gdbheap.analysis.memory_use.usage import HeapUsage, usage_by_arena
from gdbheap.glibc.heap_view import NONCONTIGUOUS
from gdbheap.glibc.naming import arena_name
from gdbheap.interface.command import Command
from gdbheap.report.report import Column, Facts, Faults, Report, Table
from gdbheap.session.target import Target

_COLUMNS = (
    Column("arena", "text"),
    Column("address", "address", "address"),
    Column("heaps", "count"),
    Column("start", "address", "address"),
    Column("end", "address", "address"),
    Column("system_bytes", "bytes", heading="from the system"),
    Column("max_system_bytes", "bytes", heading="at most"),
    Column("in_use_bytes", "bytes", heading="in use"),
    Column("free_bytes", "bytes", heading="free"),
    Column("top", "address", "address"),
    Column("top_bytes", "bytes"),
    Column("attached_threads", "count", heading="threads"),
    Column("threads", "list", shown=False),
    Column("contiguous", "flag"),
    Column("locked", "flag"),
)


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """List the arenas."""
    view = target.heap()
    usages = usage_by_arena(view.table)
    rows = []
    for arena in view.arenas:
        here = usages.get(arena.index, HeapUsage({}))
        lwps = [each.lwp for each in view.layout.threads if each.arena and each.arena.value == arena.address]
        rows.append(
            (
                arena_name(arena.index),
                arena.address,
                len(arena.regions),
                min((each.start for each in arena.regions), default=None),
                max((each.end for each in arena.regions), default=None),
                arena.system_mem,
                arena.value["max_system_mem"],
                here.in_use.bytes,
                here.free.bytes,
                arena.top,
                arena.top_size,
                arena.value["attached_threads"],
                lwps,
                not arena.value["flags"] & NONCONTIGUOUS,
                bool(arena.value["mutex"]),
            )
        )
    totals = {"arenas": len(view.arenas), "system_bytes": sum(arena.system_mem for arena in view.arenas)}
    return Report(
        "heap arenas",
        (
            Table(_COLUMNS, rows),
            Facts(totals),
            Faults(view.faults),
        ),
        notes=view.notes,
    )


COMMAND = Command(
    name="heap arenas",
    summary="List the arenas, in ring order, main first.",
    description=(
        "heaps: how many separate stretches of memory the arena has: heap_info heaps for the others; for main, more "
        "than one only where other code moved brk or brk failed. threads: how many threads malloc counts as attached. "
        "free does not include top."
    ),
    run=run,
    examples=(("heap arenas", "all arenas"),),
)
