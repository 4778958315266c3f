"""heap owners: who points at a block, and the shortest way to it from a root."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gdbheap.errors import UsageError
from gdbheap.interface.command import Argument, Command
from gdbheap.interface.limit import count_argument, limit_of
from gdbheap.report.report import Facts, Faults, Line, Prose, Report, Table
from gdbheap.report.rows import columns_of
from gdbheap.session.block_names import block_names
from gdbheap.session.judged_blocks import judged_blocks
from gdbheap.session.named_place import NamedPlace
from gdbheap.session.pointer_graph import notes_on, pointer_graph
from gdbheap.session.target import Target
from gdbheap.tables.holder_rows import (
    HolderRow,
    holder_rows,
    no_block,
    path_expression,
    place_facts,
    steps_to,
)
from gdbheap.tables.owner_rows import rows_for_people, way_lines


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """List the words that point into the block, and the way to it."""
    from gdbheap.analysis.leaks.leaks import LeakKind
    from gdbheap.analysis.leaks.owners import holders_of, shortest_path

    held = pointer_graph(target)
    address = arguments["address"]
    block = held.blocks.find(address)
    if block is None:
        raise UsageError(no_block(target, address))
    leaks = judged_blocks(target)
    holders = holders_of(target.process, held, block)
    rows = holder_rows(target, leaks, holders)
    way = shortest_path(target.process, held, block)
    steps = steps_to(target, held, way, block)
    limit = limit_of(target, arguments)
    start, size = int(held.blocks.start[block]), int(held.blocks.size[block])
    verdict = LeakKind(int(leaks.verdict[block]))
    return Report(
        "heap owners",
        (
            Prose((f"the block at {start:#x}{_named(target, block)}, of chunk size {size:#x}:",)),
            Table(columns_of(HolderRow), rows, rows_for_people(rows, limit)),
            Prose(_after(steps, path_expression(target, held, way), held.blind)),
            Facts(
                {
                    "pointers": len(rows),
                    "kind": verdict.label,
                    "path": [str(each) for each in steps],
                    "expression": path_expression(target, held, way),
                    "steps": list(map(place_facts, steps)),
                },
                shown=False,
            ),
            Faults(target.heap().faults),
        ),
        notes=(*target.heap().notes, *notes_on(target, held, verdict is not LeakKind.STILL_REACHABLE)),
    )


def _named(target: Target, block: int) -> str:
    """Return ", struct order", where the block has a name."""
    names = block_names(target)
    name = "" if names is None else names.of(block)
    return f", {name}" if name else ""


def _after(path: list[NamedPlace], expression: str, blind: bool) -> tuple[Line, ...]:
    if not path:
        return (Line.plain(f"no root{', of what was read,' if blind else ''} leads to it", "total"),)
    return (
        Line.plain(f"the shortest way to it from a root: {expression}".rstrip(), "heading"),
        *way_lines(path),
    )


COMMAND = Command(
    name="heap owners",
    summary="Show who points at a block, and the shortest way to it from a root.",
    description=(
        "Every aligned word of a register, a root (see `heap leaks`) or another block in use that points into the "
        "block is a row: where it is, at which offset of the block it points, and what it belongs to: a symbol, a "
        "thread's frame and local variable, or a block, with that block's verdict from `heap leaks`. Where many "
        "holders are the same member of blocks, they are one row, and repeated steps of the path are shown once (JSON "
        "has each). A path from a long-lived variable is preferred to a shorter one from a stack or a register."
    ),
    run=run,
    arguments=(
        Argument("ADDRESS", "expression", "An address anywhere in the block.", required=True),
        count_argument("pointers"),
    ),
    examples=(("heap owners p", "who holds the block that p points to"),),
)
