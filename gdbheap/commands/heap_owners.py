"""heap owners: who points at a block, and the shortest way to it from a root."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from gdbheap.counted import counted
from gdbheap.errors import UsageError
from gdbheap.interface.command import Argument, Command
from gdbheap.report.report import Column, Line, Report
from gdbheap.session.place_name import place_name
from gdbheap.session.pointer_graph import judged_blocks, notes_on, pointer_graph
from gdbheap.session.target import Target

if TYPE_CHECKING:
    # What these bring is kept out of gdb's start: the functions below import it when they are called.
    from gdbheap.analysis.leaks.leaks import Leaks
    from gdbheap.analysis.leaks.owners import Holder
    from gdbheap.analysis.pointers.pointer_graph import PointerGraph

HOLDER_COLUMNS = (
    Column("place", "address", "address"),
    Column("kind", "text"),
    Column("points_to", "size", heading="at offset"),
    Column("holder", "text", "symbol"),
    Column("verdict", "text", heading="which is"),
)


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
    path = _path(target, held, shortest_path(target.process, held, block), block)
    limit = target.setting("limit") if arguments["count"] is None else arguments["count"]
    display_rows = rows[:limit] if limit and len(rows) > limit else None
    start, size = int(held.blocks.start[block]), int(held.blocks.size[block])
    verdict = LeakKind(int(leaks.verdict[block]))
    return Report(
        command="heap owners",
        columns=HOLDER_COLUMNS,
        rows=rows,
        display_rows=display_rows,
        before=(f"the block at {start:#x}, of chunk size {size:#x}:",),
        after=_after(path, len(rows), limit, held.blind),
        totals_shown=False,
        totals={"pointers": len(rows), "kind": verdict.label, "path": path},
        notes=(*target.heap().notes, *notes_on(target, held, verdict is not LeakKind.STILL_REACHABLE)),
        faults=target.heap().faults,
    )


def no_block(target: Target, address: int) -> str:
    """Return what to say of an address that is in no block in use, and who tells more."""
    chunk = target.heap().chunk_at(address)
    if chunk is not None:
        return (
            f"{address:#x} is in no block in use, but in a chunk that is {chunk.state.label.replace('_', ' ')}; `heap "
            f"search {chunk.address:#x}-{chunk.end:#x}` finds the pointers to it, `heap chunk {address:#x}` tells more"
        )
    return (
        f"{address:#x} is in no block in use; `heap search {address:#x}` finds that very pointer, `explain "
        f"{address:#x}` tells what is there"
    )


def holder_rows(target: Target, leaks: Leaks, holders: Iterable[Holder]) -> list[tuple[Any, ...]]:
    """Return a row of HOLDER_COLUMNS for each holder."""
    from gdbheap.analysis.leaks.leaks import LeakKind

    return [
        (
            each.place,
            each.kind,
            each.offset,
            holder_name(target, leaks.held, each),
            "" if each.block is None else LeakKind(int(leaks.verdict[each.block])).label.replace("_", " "),
        )
        for each in holders
    ]


def holder_name(target: Target, held: PointerGraph, holder: Holder) -> str:
    """Return what people call the place: symbol + offset, a thread's frame and local, a register, block + offset."""
    from gdbheap.analysis.leaks.owners import BLOCK

    if holder.place is None:
        return holder.name
    if holder.kind == BLOCK and holder.block is not None:
        start = int(held.blocks.start[holder.block])
        return f"block {start:#x} + {holder.place - start:#x}"
    return place_name(target, held.roots, holder.place)


def _path(target: Target, held: PointerGraph, path: list[Holder], block: int) -> list[str]:
    """Return the steps as text: each holder, and at last the block."""
    if not path:
        return []
    return [*(holder_name(target, held, each) for each in path), f"block {int(held.blocks.start[block]):#x}"]


def _after(path: list[str], count: int, limit: int, blind: bool) -> tuple[str | Line, ...]:
    lines: list[str | Line] = []
    if limit and count > limit:
        lines.append(Line.plain(f"… {counted(count - limit, 'more pointer')}: --count 0 shows all", "dim"))
    if not path:
        return (*lines, Line.plain(f"no root{', of what was read,' if blind else ''} leads to it", "total"))
    lines.append(Line.plain("the shortest way to it from a root:", "heading"))
    lines += [Line.plain(f"  {'→ ' if index else '  '}{step}") for index, step in enumerate(path)]
    return tuple(lines)


COMMAND = Command(
    name="heap owners",
    summary="Show who points at a block, and the shortest way to it from a root.",
    description=(
        "Every aligned word of a register, a root (see `heap leaks`) or another block in use that points into the "
        "block is a row: where it lies, at which offset of the block it points, and whose it is: a symbol, a thread's "
        "frame and local variable, or a block, with what `heap leaks` says of that one."
    ),
    run=run,
    arguments=(
        Argument("ADDRESS", "expression", "An address anywhere in the block.", required=True),
        Argument("--count", "count", "Show at most this many pointers; 0 shows all."),
    ),
    examples=(("heap owners p", "who holds the block that p points to"),),
)
