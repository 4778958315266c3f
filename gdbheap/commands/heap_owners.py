"""heap owners: who points at a block, and the shortest path to it from a root."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gdbheap.errors import UsageError
from gdbheap.interface.command import Argument, Command
from gdbheap.interface.limit import count_argument, limit_of
from gdbheap.lazy import dataclass
from gdbheap.report.report import Facts, Line, Next, Prose, Report, Table
from gdbheap.report.rows import columns_of
from gdbheap.sentences.facts.said import said_all
from gdbheap.sentences.faults import faults_section
from gdbheap.session.block_names import block_names
from gdbheap.session.judged_blocks import judged_blocks
from gdbheap.session.large_heap import is_large
from gdbheap.session.named_place import NamedPlace
from gdbheap.session.pointer_graph import notes_on, pointer_graph, pointers_to
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

if TYPE_CHECKING:
    from gdbheap.allocators.blocks import Blocks
    from gdbheap.analysis.pointers.pointer_graph import PointerGraph


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """List the words that point into the block, and the way to it."""
    tell = _pointers_alone if is_large(target) and not arguments["path"] else _all
    return _report(target, tell(target, arguments["address"]), limit_of(target, arguments))


def _all(target: Target, address: int) -> _Answer:
    """Tell who points to the block, what these are, and the way to it."""
    from gdbheap.analysis.leaks.leaks import LeakKind
    from gdbheap.analysis.leaks.owners import shortest_path
    from gdbheap.analysis.pointers.who_points import holders_of

    held = pointer_graph(target)
    block = _block(target, held.blocks, address)
    leaks, names = judged_blocks(target), block_names(target)
    rows = holder_rows(target, held, holders_of(target.process, held, block), names, leaks)
    way = shortest_path(target.process, held, block)
    steps, expression = steps_to(target, held, way, block), path_expression(target, held, way)
    verdict = LeakKind(int(leaks.verdict[block]))
    totals = {"kind": verdict.label, "path": [str(each) for each in steps], "expression": expression}
    name = f", {names.of(block)}" if names is not None and names.of(block) else ""
    after = _after(steps, expression, held.blind)
    notes = notes_on(target, held, verdict is not LeakKind.STILL_REACHABLE)
    return _Answer(held, block, name, rows, after, {**totals, "steps": list(map(place_facts, steps))}, notes)


def _pointers_alone(target: Target, address: int) -> _Answer:
    """Tell who points to the block of a large heap: the rest takes all pointers of all blocks."""
    from gdbheap.analysis.pointers.who_points import holders_of

    block = _block(target, target.heap().blocks(), address)
    held = pointers_to(target, block)
    rows = holder_rows(target, held, holders_of(target.process, held, block), None)
    more = f"heap owners {address:#x} --path"
    note = f"this heap is large: `{more}` reads all of it, and shows the path to the block from a root, and what it is"
    totals = dict.fromkeys(("kind", "path", "expression", "steps"))
    return _Answer(held, block, "", rows, (), totals, (note, *notes_on(target, held, not rows)))


def _block(target: Target, blocks: Blocks, address: int) -> int:
    block = blocks.find(address)
    if block is None:
        raise UsageError(no_block(target, address))
    return block


@dataclass(frozen=True)
class _Answer:
    """What is known of the block: `name` of it, `rows` of those that point to it, `after` them how it is reached, and
    `totals` for programs."""

    held: PointerGraph
    block: int
    name: str
    rows: Sequence[HolderRow]
    after: tuple[Line, ...]
    totals: Mapping[str, Any]
    notes: Iterable[str]


def _report(target: Target, answer: _Answer, limit: int) -> Report:
    blocks, rows = answer.held.blocks, list(answer.rows)
    start, size = int(blocks.start[answer.block]), int(blocks.size[answer.block])
    return Report(
        "heap owners",
        (
            Prose((f"the block at {start:#x}{answer.name}, of chunk size {size:#x}:",)),
            Table(columns_of(HolderRow), rows, rows_for_people(rows, limit)),
            Prose(answer.after),
            Facts({"pointers": len(rows), **answer.totals}, shown=False),
            faults_section(target.heap().faults),
        ),
        notes=(*said_all(target.heap().notes), *answer.notes),
        next=(Next(f"heap retained {start:#x}", "what it keeps alive"), Next(f"explain {start:#x}", "what it is")),
    )


def _after(path: list[NamedPlace], expression: str, blind: bool) -> tuple[Line, ...]:
    if not path:
        return (Line.plain(f"no root{', of what was read,' if blind else ''} leads to it", "total"),)
    return (
        Line.plain(f"the shortest path to it from a root: {expression}".rstrip(), "heading"),
        *way_lines(path),
    )


COMMAND = Command(
    name="heap owners",
    summary="Show what points to a block, and the shortest path to it from a root.",
    description=(
        "Every aligned word of a register, a root (see `heap leaks`) or another block in use that points into the "
        "block is a row: where the word is, which offset of the block it points to, and what it belongs to: a symbol, "
        "a thread's frame and local variable, or a block, with that block's verdict from `heap leaks`. Many holders "
        "that are the same member of their blocks are one row, and repeated steps of the path are shown once (JSON "
        "has each). A path from a long-lived variable is preferred to a shorter one from a stack or a register.\n"
        "In a heap of more than 32 MiB whose types are not known yet, only the pointers are listed unless --path is "
        "given, because the rest needs all pointers of all blocks."
    ),
    run=run,
    arguments=(
        Argument("ADDRESS", "expression", "An address anywhere in the block.", required=True),
        count_argument("pointers"),
        Argument(
            "--path",
            "flag",
            "In a large heap, too, show the path from a root, the verdicts, and what the blocks are.",
        ),
    ),
    examples=(("heap owners p", "who holds the block that p points to"),),
)
