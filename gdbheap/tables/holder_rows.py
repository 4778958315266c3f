"""The rows of those that point into a block, as `heap owners` and `heap leaks --why` show them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from typing import TYPE_CHECKING, Any, TypeVar

from gdbheap.lazy import dataclass
from gdbheap.process.address import Address
from gdbheap.report.report import ABSENT, Absent
from gdbheap.report.rows import column, columns_of
from gdbheap.session.block_names import block_names
from gdbheap.session.named_place import NamedPlace
from gdbheap.session.place_name import holder_place, place_in_block
from gdbheap.session.target import Target

if TYPE_CHECKING:
    # What these bring is kept out of gdb's start: the functions below import it when they are called.
    from gdbheap.analysis.leaks.leaks import Leaks
    from gdbheap.analysis.pointers.pointer_graph import PointerGraph
    from gdbheap.analysis.pointers.who_points import Holder
    from gdbheap.sentences.block_names import BlockNames

Cell = TypeVar("Cell", int, str)


@dataclass(frozen=True)
class PlaceCells:
    """The facts that the name of a place is made of, in JSON alone: the last columns of a holder's row."""

    block: int | Absent = field(default=ABSENT, metadata=column("address", shown=False))
    block_offset: int | Absent = field(default=ABSENT, metadata=column("size", shown=False))
    register: str | Absent = field(default=ABSENT, metadata=column(shown=False))
    thread_number: int | Absent = field(default=ABSENT, metadata=column("number", shown=False))
    symbol: str | Absent = field(default=ABSENT, metadata=column(shown=False))
    symbol_offset: int | Absent = field(default=ABSENT, metadata=column("size", shown=False))
    module: str | Absent = field(default=ABSENT, metadata=column(shown=False))
    frame: int | Absent = field(default=ABSENT, metadata=column("number", shown=False))
    function: str | Absent = field(default=ABSENT, metadata=column(shown=False))
    local: str | Absent = field(default=ABSENT, metadata=column(shown=False))
    local_offset: int | Absent = field(default=ABSENT, metadata=column("size", shown=False))
    stack_offset: int | Absent | None = field(default=ABSENT, metadata=column("size", shown=False))
    thread_local: str | Absent = field(default=ABSENT, metadata=column(shown=False))
    area: str | Absent = field(default=ABSENT, metadata=column(shown=False))
    area_start: int | Absent = field(default=ABSENT, metadata=column("address", shown=False))
    area_offset: int | Absent = field(default=ABSENT, metadata=column("size", shown=False))
    elf_address: int | Absent = field(default=ABSENT, metadata=column("address", shown=False))
    type: str | Absent = field(default=ABSENT, metadata=column(shown=False))
    member: str | Absent = field(default=ABSENT, metadata=column(shown=False))


@dataclass(frozen=True)
class _Holder:
    place: int | None = field(metadata=column("address", "address"))
    kind: str = field(metadata=column())
    points_to: int = field(metadata=column("size", heading="at offset"))
    holder: str = field(metadata=column("text", "symbol"))
    verdict: str | Absent = field(metadata=column("label", heading="which is"))


# A dataclass's own fields come behind those of its last base, and of those before it.
@dataclass(frozen=True)
class HolderRow(PlaceCells, _Holder):
    """A word that points into a block: where it lies, and whose it is."""


def holder_rows(
    target: Target,
    held: PointerGraph,
    holders: Iterable[Holder],
    names: BlockNames | None,
    leaks: Leaks | None = None,
) -> list[HolderRow]:
    """Return a row for each holder; `names` and `leaks` tell of blocks, where they are known."""
    from gdbheap.analysis.leaks.leaks import LeakKind

    return [
        HolderRow(
            each.place,
            each.kind,
            each.offset,
            str(place),
            ABSENT if each.block is None or leaks is None else LeakKind(int(leaks.verdict[each.block])).label,
            **vars(_cells(place)),
        )
        for each in holders
        for place in [holder_place(target, held, each, names)]
    ]


def steps_to(target: Target, held: PointerGraph, path: list[Holder], block: int) -> list[NamedPlace]:
    """Return a way to the block as places: each holder's, and at last the block."""
    if not path:
        return []
    names = block_names(target)
    return [*(holder_place(target, held, each, names) for each in path), place_in_block(held, block, names)]


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
    cells = vars(_cells(place))
    return {
        each.name: Address(cells[each.name]) if each.format == "address" else cells[each.name]
        for each in columns_of(PlaceCells)
        if cells[each.name] is not ABSENT
    }


def no_block(target: Target, address: int) -> str:
    """Return what to say of an address that is in no block in use, and who tells more."""
    chunk = target.heap().chunk_at(address)
    if chunk is not None:
        return (
            f"{address:#x} is in no block in use, but in a chunk that is {chunk.state.label.replace('_', ' ')}; `heap "
            f"search {chunk.address:#x}-{chunk.end:#x}` finds the pointers to it, `heap chunk {address:#x}` shows more"
        )
    return (
        f"{address:#x} is in no block in use; `heap search {address:#x}` finds that very pointer, `explain "
        f"{address:#x}` shows what is there"
    )


def _cells(place: NamedPlace) -> PlaceCells:
    stack, symbol, local = place.stack, place.symbol, place.thread_local
    named, area = symbol or local, place.area
    frame = stack if stack is not None and stack.frame is not None else None
    variable = stack if stack is not None and stack.local else None
    return PlaceCells(
        block=_known(place.block),
        block_offset=ABSENT if place.block is None else _known(place.offset),
        register=place.register or ABSENT,
        thread_number=_known(place.thread),
        symbol=ABSENT if symbol is None else symbol.name,
        symbol_offset=ABSENT if named is None else named.offset,
        module=ABSENT if named is None else _known(named.module),
        frame=ABSENT if frame is None else _known(frame.frame),
        function=ABSENT if frame is None else _known(frame.function),
        local=ABSENT if variable is None else _known(variable.local),
        local_offset=ABSENT if variable is None else _known(variable.local_offset),
        stack_offset=ABSENT if stack is None else stack.above_sp,
        thread_local=ABSENT if local is None else local.name,
        area=area or ABSENT,
        area_start=_known(place.start),
        area_offset=_known(place.offset) if area else ABSENT,
        elf_address=_known(place.elf_address),
        type=place.type or ABSENT,
        member=place.member or ABSENT,
    )


def _known(cell: Cell | None) -> Cell | Absent:
    """Return the cell; None is one that does not apply."""
    return ABSENT if cell is None else cell
