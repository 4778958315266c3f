"""The rows of those that point into a block, as `heap owners` and `heap leaks --why` show them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from gdbheap.process.address import Address
from gdbheap.report.report import ABSENT, Column
from gdbheap.session.block_names import block_names
from gdbheap.session.named_place import NamedPlace
from gdbheap.session.place_name import holder_place, place_in_block
from gdbheap.session.target import Target

if TYPE_CHECKING:
    # What these bring is kept out of gdb's start: the functions below import it when they are called.
    from gdbheap.analysis.leaks.leaks import Leaks
    from gdbheap.analysis.leaks.owners import Holder
    from gdbheap.analysis.pointers.pointer_graph import PointerGraph

# The facts that the name of a place is made of, in JSON alone.
_PLACE_COLUMNS = (
    Column("block", "address", shown=False),
    Column("block_offset", "size", shown=False),
    Column("register", shown=False),
    Column("thread_number", "number", shown=False),
    Column("symbol", shown=False),
    Column("symbol_offset", "size", shown=False),
    Column("module", shown=False),
    Column("frame", "number", shown=False),
    Column("function", shown=False),
    Column("local", shown=False),
    Column("local_offset", "size", shown=False),
    Column("stack_offset", "size", shown=False),
    Column("thread_local", shown=False),
    Column("area", shown=False),
    Column("area_start", "address", shown=False),
    Column("area_offset", "size", shown=False),
    Column("type", shown=False),
    Column("member", shown=False),
)
HOLDER_COLUMNS = (
    Column("place", "address", "address"),
    Column("kind", "text"),
    Column("points_to", "size", heading="at offset"),
    Column("holder", "text", "symbol"),
    Column("verdict", "label", heading="which is"),
    *_PLACE_COLUMNS,
)


def holder_rows(target: Target, leaks: Leaks, holders: Iterable[Holder]) -> list[tuple[Any, ...]]:
    """Return a row of HOLDER_COLUMNS for each holder."""
    from gdbheap.analysis.leaks.leaks import LeakKind

    return [
        (
            each.place,
            each.kind,
            each.offset,
            str(place),
            ABSENT if each.block is None else LeakKind(int(leaks.verdict[each.block])).label,
            *_cells(place),
        )
        for each in holders
        for place in [holder_place(target, leaks.held, each)]
    ]


def steps_to(target: Target, held: PointerGraph, path: list[Holder], block: int) -> list[NamedPlace]:
    """Return a way to the block as places: each holder's, and at last the block."""
    if not path:
        return []
    return [*(holder_place(target, held, each) for each in path), place_in_block(target, held, block)]


def path_expression(target: Target, held: PointerGraph, path: list[Holder]) -> str:
    """Return a way to a block as one expression: "server.sessions->buckets[17]->session", "" where the names of a
    variable and members are not known all along."""
    names = block_names(target)
    if names is None or not path:
        return ""
    members = []
    for each in path[1:]:
        if each.block is None or each.place is None:
            return ""
        members.append(names.path_within(each.block, each.place - int(held.blocks.start[each.block])))
    if any("+0x" in each for each in members) or path[0].place is None:
        return ""
    return names.way_from(path[0].place, members)


def place_facts(place: NamedPlace) -> dict[str, Any]:
    """Return the facts of a place that are known, by their published names."""
    cells = zip(_PLACE_COLUMNS, _cells(place))
    return {
        column.name: Address(cell) if column.format == "address" else cell
        for column, cell in cells
        if cell is not ABSENT
    }


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


def _cells(place: NamedPlace) -> tuple[Any, ...]:
    """Return the cells of _PLACE_COLUMNS."""
    stack, symbol, local = place.stack, place.symbol, place.thread_local
    named = symbol or local
    return (
        *_if(place.block is not None, place.block, place.offset),
        place.register or ABSENT,
        ABSENT if place.thread is None else place.thread,
        *_if(named is not None, symbol and symbol.name, named and named.offset, named and named.module),
        *_if(stack is not None and stack.frame is not None, stack and stack.frame, stack and stack.function),
        *_if(stack is not None and bool(stack.local), stack and stack.local, stack and stack.local_offset),
        ABSENT if stack is None else stack.above_sp,
        ABSENT if local is None else local.name,
        place.area or ABSENT,
        ABSENT if place.start is None else place.start,
        *_if(bool(place.area), place.offset),
        place.type or ABSENT,
        place.member or ABSENT,
    )


def _if(there: bool, *cells: Any) -> tuple[Any, ...]:
    """Return the cells, or as many that do not apply."""
    return tuple(cell if there and cell is not None else ABSENT for cell in cells)
