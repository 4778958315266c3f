"""heap chunks: every chunk of the heap, in address order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from gdbheap.analysis.chunk_use.usage import usage, usage_by_arena
from gdbheap.errors import UsageError
from gdbheap.glibc.chunk_table import MMAPPED_ARENA, ChunkTable, State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.naming import arena_name
from gdbheap.interface.command import Argument, Command
from gdbheap.interface.limit import count_argument
from gdbheap.lazy import dataclass, np
from gdbheap.report.report import Absent, Facts, Next, Report, Table
from gdbheap.report.rows import PREVIEW, column, columns_of, goes
from gdbheap.sentences.facts.said import said_all
from gdbheap.sentences.faults import faults_section
from gdbheap.session.block_names import block_names
from gdbheap.session.target import Target
from gdbheap.tables.chunk_rows import ChunkRows, DisplayedChunks

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STATES = tuple(state.label for state in State)


@dataclass(frozen=True)
class _Row:
    """A chunk. There may be a million: they come as tuples of these cells."""

    address: int = field(metadata=column("address", "address"))
    mem: int = field(metadata=column("address", "mem", gives=goes(3)))
    size: int = field(metadata=column("size", "size"))
    state: str = field(metadata=column("text", "state"))
    arena: str = field(metadata=column(gives=goes(2)))
    prev_inuse: bool = field(metadata=column("flag", shown=False))
    flags: str = field(metadata=column(gives=goes(1)))
    bin: str = field(metadata=column(heading="place", gives=goes(11)))
    type: str | Absent | None = field(metadata=column(shown=False))
    confidence: str | Absent | None = field(metadata=column(shown=False))
    preview: str | Absent = field(metadata=column("text", "preview", gives=PREVIEW))


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """List the chunks that pass the filters."""
    view = target.heap()
    table = _select(target, view, arguments)
    if arguments["summary"]:
        return _summary(view, table)
    with_preview = not arguments["no_preview"] and (arguments["json"] or bool(target.setting("preview")))
    names = block_names(target) if arguments["json"] or with_preview else None
    rows = ChunkRows(target, table, names, with_preview)
    block = _first_block(view, table)
    return Report(
        "heap chunks",
        (
            Table(columns_of(_Row), rows, DisplayedChunks(target, rows, arguments)),
            Facts(_totals(table)),
            faults_section(view.faults),
        ),
        notes=said_all(view.notes),
        next=tuple(_next(view, table, block)),
        example=block,
    )


def _first_block(view: HeapView, table: ChunkTable) -> int | None:
    """Return the first block of the program's; None where none is shown."""
    live = np.flatnonzero(table.state == State.IN_USE)
    return int(table.address[live[0]]) + view.layout.header if len(live) else None


def _next(view: HeapView, table: ChunkTable, block: int | None) -> Iterator[Next]:
    """Yield what leads on from that block (else from the first chunk of all)."""
    if not len(table):
        return
    mem = int(table.address[0]) + view.layout.header if block is None else block
    yield Next(f"heap chunk {mem:#x}", "one of them in full")
    if block is not None:
        yield Next(f"heap owners {mem:#x}", "who points to it")


def _select(target: Target, view: HeapView, arguments: Mapping[str, Any]) -> ChunkTable:
    table = view.table
    keep = np.ones(len(table), bool)
    if arguments["where"]:
        keep &= _from_place(target, view, arguments["where"])
    if arguments["state"]:
        keep &= np.isin(table.state, [int(State[name.upper()]) for name in arguments["state"]])
    if arguments["size"]:
        low, high = arguments["size"]
        keep &= table.size >= np.uint64(low or 0)
        if high is not None:
            keep &= table.size <= np.uint64(high)
    return table if keep.all() else table.take(keep)


def _from_place(target: Target, view: HeapView, place: str) -> NDArray[np.bool_]:
    """Return the rows of an arena ("main", "1", "mmapped"), or those from the chunk that holds an address on."""
    table = view.table
    if place == "mmapped":
        return np.asarray(table.arena == MMAPPED_ARENA)
    for arena in view.arenas:
        if place == arena_name(arena.index):
            return np.asarray(table.arena == arena.index)
    if place.isdecimal() and int(place) < 1 << 12:
        raise UsageError(
            f"there is no arena {place}: the arenas are {', '.join(arena_name(each.index) for each in view.arenas)}"
        )
    address = target.evaluate(place)
    row = table.row_at(address)
    if row is None:
        raise UsageError(f"{address:#x} is in no chunk of the heap; `vmmap {address:#x}` shows what is there")
    return np.asarray(np.arange(len(table)) >= row)


def _totals(table: ChunkTable) -> dict[str, int]:
    here = usage(table)
    return {
        "chunks": len(table),
        "in_use_bytes": here.of(State.IN_USE).bytes,
        "free_bytes": here.free.bytes,
        "top_bytes": here.top.bytes,
    }


@dataclass(frozen=True)
class _Tally:
    """The chunks of an arena in one state."""

    arena: str = field(metadata=column())
    state: str = field(metadata=column("text", "state"))
    count: int = field(metadata=column("count"))
    bytes: int = field(metadata=column("bytes"))


def _summary(view: HeapView, table: ChunkTable) -> Report:
    rows = [
        _Tally(arena_name(arena), state.label, tally.count, tally.bytes)
        for arena, here in usage_by_arena(table).items()
        for state, tally in here.by_state.items()
    ]
    sections = (Table(columns_of(_Tally), rows), Facts(_totals(table)), faults_section(view.faults))
    return Report("heap chunks", sections, notes=said_all(view.notes))


COMMAND = Command(
    name="heap chunks",
    summary="List the chunks of the heap, with their state and what they hold.",
    description=(
        "Chunks are listed in address order: each arena's heaps, then the mmapped ones. Consecutive chunks of the "
        "same size and state are folded into one row, and the list ends after `set gdbheap limit` rows; the totals "
        "cover every chunk that passes the filters.\n"
        "address is the chunk's header, mem the pointer that malloc returned. flags: A NON_MAIN_ARENA, M IS_MMAPPED, "
        "P PREV_INUSE. place: the free list that holds the chunk, and its position there (1 is what malloc takes "
        "next)."
    ),
    run=run,
    arguments=(
        Argument(
            "WHERE",
            "text",
            "An arena (main, 1, 2, ..., mmapped), or an address: start at the chunk that holds it.",
            choices=("main", "mmapped"),
        ),
        Argument("--state", "choice", "Only chunks in these states.", choices=_STATES),
        Argument("--size", "range", "Only chunks of these sizes, in bytes: 0x40, 0x40-0x80, 1k- or -64."),
        count_argument(),
        Argument("--summary", "flag", "Show counts and bytes by arena and state instead of the chunks."),
        Argument("--no-fold", "flag", "Do not fold runs of similar chunks."),
        Argument("--no-preview", "flag", "Leave out the contents."),
    ),
    examples=(
        ("heap chunks", "the first chunks of the heap"),
        ("heap chunks main --state tcache,fastbin", "the small free chunks that malloc keeps ready in the main arena"),
        ("heap chunks p --count 5", "the chunk that p points into, and the next four"),
        ("heap chunks --size 1k- --summary", "the totals of chunks of 1 KiB and more"),
    ),
)
