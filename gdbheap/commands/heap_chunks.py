"""heap chunks: every chunk of the heap, in address order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gdbheap.analysis.addresses.preview import preview
from gdbheap.analysis.memory_use.usage import usage, usage_by_arena
from gdbheap.errors import UsageError
from gdbheap.glibc.chunk_table import FREE_STATES, MMAPPED_ARENA, PREV_INUSE, ChunkTable, State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.naming import arena_name, flag_letters, place_at
from gdbheap.interface.command import Argument, Command
from gdbheap.interface.limit import count_argument, left_out, limit_of
from gdbheap.lazy import np
from gdbheap.report.report import ABSENT, Absent, Facts, Faults, Line, Report, Table
from gdbheap.report.rows import PREVIEW, column, columns_of, goes
from gdbheap.sentences.block_names import BlockNames
from gdbheap.session.block_names import block_names
from gdbheap.session.target import Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STATES = tuple(state.label for state in State)
_FREE = frozenset(int(state) for state in FREE_STATES)
# Rows that are turned into Python's objects at a time.
_BLOCK = 1 << 14
# A run of like chunks shorter than this is shown chunk by chunk.
_SHORTEST_RUN = 4


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
    preview: str = field(metadata=column("text", "preview", published=False, gives=PREVIEW))


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """List the chunks that pass the filters."""
    view = target.heap()
    table = _select(target, view, arguments)
    if arguments["summary"]:
        return _summary(view, table)
    names = _names(target, arguments)
    rows = _ChunkRows(view, table, names)
    return Report(
        "heap chunks",
        (
            Table(columns_of(_Row), rows, list(_display_rows(target, rows, arguments))),
            Facts(_totals(table)),
            Faults(view.faults),
        ),
        notes=view.notes,
    )


def _names(target: Target, arguments: Mapping[str, Any]) -> BlockNames | None:
    """Return the names of blocks, where the answer shows any."""
    shown = arguments["json"] or not (arguments["no_preview"] or not target.setting("preview"))
    return block_names(target) if shown else None


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


class _ChunkRows(Sequence[Sequence[Any]]):
    """The published rows, each made when it is asked for."""

    def __init__(self, view: HeapView, table: ChunkTable, names: BlockNames | None) -> None:
        self.view = view
        self.names = names
        self.table = table

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return list(self._rows(*row.indices(len(self))))
        if not 0 <= row < len(self):
            raise IndexError(row)
        return next(self._rows(row, row + 1, 1))

    def __iter__(self) -> Iterator[Sequence[Any]]:
        for start in range(0, len(self), _BLOCK):
            yield from self._rows(start, min(start + _BLOCK, len(self)), 1)

    def _rows(self, start: int, stop: int, step: int) -> Iterator[Sequence[Any]]:
        """Yield rows out of columns turned into lists at once: an element of an array alone costs as much as the
        rest of a row."""
        table, here = self.table, slice(start, stop, step)
        columns = (table.address[here], table.size[here], table.flags[here], table.state[here], table.arena[here])
        header = self.view.layout.header
        for address, size, flags, state, arena in zip(*(each.tolist() for each in columns)):
            place = place_at(self.view, address) if state in _FREE else ""
            label, letters = _STATES[state], flag_letters(flags)
            cells = address, address + header, size, label, arena_name(arena), bool(flags & PREV_INUSE), letters, place
            yield (*cells, *(self._type(address + header) if state == State.IN_USE else (ABSENT, ABSENT)))

    def _type(self, mem: int) -> tuple[str | None, str | None]:
        """Return the type of a block and how sure it is."""
        return (None, None) if self.names is None else self.names.type_at(mem)


def _display_rows(target: Target, rows: _ChunkRows, arguments: Mapping[str, Any]) -> Iterator[Sequence[Any] | Line]:
    """Yield the rows for people: like chunks in a row folded, and cut at the limit."""
    limit = limit_of(target, arguments)
    shown, used = 0, 0
    for start, end in _runs(rows, fold=not arguments["no_fold"]):
        if limit and used >= limit:
            break
        folded = end - start >= _SHORTEST_RUN and not arguments["no_fold"]
        for row in range(start, start + 1 if folded else end):
            if limit and used >= limit:
                break
            yield *rows[row], _preview(target, rows, row, arguments)
            used += 1
            shown += 1
        if folded:
            last = rows.table[end - 1]
            text = f"    … {end - start - 1:,} more like it, the last at {last.address:#x}"
            yield Line.plain(text, "dim")
            shown += end - start - 1
    if shown < len(rows):
        yield left_out(len(rows) - shown, "chunk", also=", --summary the totals")


def _preview(target: Target, rows: _ChunkRows, row: int, arguments: Mapping[str, Any]) -> str:
    if arguments["no_preview"] or not target.setting("preview"):
        return ""
    chunk = rows.table[row]
    contents = preview(target.process.memory, rows.view.layout, chunk, target.symbol_at)
    name = ""
    if rows.names is not None and chunk.state is State.IN_USE:
        name = rows.names.at(chunk.address + rows.view.layout.header)
    return f"{name}  {contents}" if name else contents


def _runs(rows: _ChunkRows, fold: bool) -> Iterator[tuple[int, int]]:
    """Yield [start, end) of each run of chunks of one size, state, arena and type."""
    table = rows.table
    if not len(table):
        return
    if not fold:
        yield 0, len(table)
        return
    columns: list[NDArray[Any]] = [table.size, table.state, table.arena]
    if rows.names is not None:
        columns.append(rows.names.codes_at(table.address + np.uint64(rows.view.layout.header)))
    changes = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    starts = np.concatenate(([0], np.flatnonzero(changes) + 1, [len(table)]))
    for index in range(len(starts) - 1):
        yield int(starts[index]), int(starts[index + 1])


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
    sections = (Table(columns_of(_Tally), rows), Facts(_totals(table)), Faults(view.faults))
    return Report("heap chunks", sections, notes=view.notes)


COMMAND = Command(
    name="heap chunks",
    summary="List the chunks of the heap, with their state and what they hold.",
    description=(
        "Chunks come in address order, each arena's heaps and the mmapped ones. Chunks of one size and state in a row "
        "are folded, and the list is cut at `set gdbheap limit`; totals are always of all that pass the filters.\n"
        "address is the chunk's header, mem the pointer that malloc returned. flags: A NON_MAIN_ARENA, M IS_MMAPPED, "
        "P PREV_INUSE. place: the free list, and the position in it (1 is what malloc takes next)."
    ),
    run=run,
    arguments=(
        Argument(
            "WHERE",
            "text",
            "An arena (main, 1, 2, ..., mmapped), or an address: list from the chunk that holds it on.",
            choices=("main", "mmapped"),
        ),
        Argument("--state", "choice", "Only chunks in these states.", choices=_STATES),
        Argument("--size", "range", "Only chunks of these sizes, in bytes: 0x40, 0x40-0x80, 1k- or -64."),
        count_argument(),
        Argument("--summary", "flag", "Counts and bytes by arena and state instead of the chunks."),
        Argument("--no-fold", "flag", "Do not fold runs of like chunks."),
        Argument("--no-preview", "flag", "Leave the contents out."),
    ),
    examples=(
        ("heap chunks", "the first chunks of the heap"),
        ("heap chunks main --state tcache,fastbin", "what malloc keeps ready in the main arena"),
        ("heap chunks p --count 5", "the chunk that p points into, and the next four"),
        ("heap chunks --size 1k- --summary", "the totals of the chunks of 1 KiB and more"),
    ),
)
