"""The rows of `heap chunks`, made as they are asked for: there may be a million."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gdbheap.analysis.addresses.previews import previews
from gdbheap.glibc.chunk_table import FREE_STATES, PREV_INUSE, ChunkTable, State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.naming import arena_name, flag_letters, places_at
from gdbheap.interface.limit import left_out, limit_of
from gdbheap.lazy import np
from gdbheap.process.address_space import without
from gdbheap.process.ahead import Ahead
from gdbheap.process.columns.ranges import Ranges
from gdbheap.process.intervals import Intervals
from gdbheap.process.named_address import NamedAddress
from gdbheap.report.blocks import RowsInBlocks
from gdbheap.report.report import ABSENT, Line
from gdbheap.sentences.block_names import BlockNames
from gdbheap.sentences.names_of_many import NO_NAME, NamesOfMany
from gdbheap.session.target import Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STATES = tuple(state.label for state in State)
_IN_USE = int(State.IN_USE)
_FREE = [int(state) for state in FREE_STATES]
_NO_BLOCK = ("", ABSENT, ABSENT)
# Rows that are turned into Python's objects at a time.
_BLOCK = 1 << 12
# A run of like chunks shorter than this is shown chunk by chunk.
_SHORTEST_RUN = 4
# So many addresses are kept with their symbols: gdb looks one up in the time of ten rows.
_MOST_SYMBOLS = 1 << 16


class ChunkRows(RowsInBlocks):
    """The published rows, made as they are asked for."""

    def __init__(self, target: Target, table: ChunkTable, names: BlockNames | None, with_preview: bool) -> None:
        self.view = target.heap()
        self.names = names
        self.table = table
        self._names = None if names is None else NamesOfMany(names)
        self._previews = _Previews(target, self.view) if with_preview else None

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return list(zip(*self.of(row)))
        if not 0 <= row < len(self):
            raise IndexError(row)
        return next(zip(*self.of(slice(row, row + 1))))

    def blocks(self) -> Iterator[tuple[Sequence[Sequence[Any]], dict[int, list[Line]]]]:
        for start in range(0, len(self), _BLOCK):
            yield self.of(slice(start, start + _BLOCK)), {}

    def of(self, chosen: slice | NDArray[np.intp]) -> Sequence[Sequence[Any]]:
        """Return the columns of these rows."""
        table = self.table.take(chosen)
        mem = table.address + np.uint64(self.view.layout.header)
        texts, types, confidences = self._named(table, mem)
        return (
            table.address.tolist(),
            mem.tolist(),
            table.size.tolist(),
            list(map(_STATES.__getitem__, table.state.tolist())),
            _each(arena_name, table.arena),
            ((table.flags & PREV_INUSE) != 0).tolist(),
            _each(flag_letters, table.flags),
            self._places(table),
            types,
            confidences,
            self._contents(table, texts),
        )

    def _named(self, table: ChunkTable, mem: NDArray[np.uint64]) -> list[Sequence[Any]]:
        """Return what people read, the type and how sure it is of each chunk; only blocks have names."""
        named: list[Any] = [_NO_BLOCK] * len(table)
        live = np.flatnonzero(table.state == _IN_USE)
        names = [NO_NAME] * len(live) if self._names is None else self._names.at(mem[live])
        for row, name in zip(live.tolist(), names):
            named[row] = name
        return list(zip(*named)) if named else [(), (), ()]

    def _places(self, table: ChunkTable) -> list[str]:
        places = [""] * len(table)
        free = np.flatnonzero(np.isin(table.state, _FREE))
        for row, place in zip(free.tolist(), places_at(self.view, table.address[free].tolist())):
            places[row] = place
        return places

    def _contents(self, table: ChunkTable, names: Sequence[str]) -> list[Any]:
        """Return the previews, behind the names."""
        if self._previews is None:
            return [ABSENT] * len(table)
        contents = self._previews.of(table)
        return [f"{name}  {content}" if name else content for name, content in zip(names, contents)]


def _each(name_of: Callable[[int], str], column: NDArray[Any]) -> list[str]:
    """Return the name of each value in a column of few that differ."""
    values = column.tolist()
    names = {value: name_of(value) for value in set(values)}
    return list(map(names.__getitem__, values))


class DisplayedChunks(RowsInBlocks):
    """The rows for people, made as they are asked for: like chunks in a row folded, and cut at the limit."""

    def __init__(self, target: Target, rows: ChunkRows, arguments: Mapping[str, Any]) -> None:
        self._rows = rows
        shown, more = _folded(rows, fold=not arguments["no_fold"])
        limit = limit_of(target, arguments)
        self._shown, self._more = (shown[:limit], more[:limit]) if limit else (shown, more)
        left = len(rows) - len(self._shown) - int(self._more.sum())
        self._end = [left_out(left, "chunk", also=", --summary the totals")] if left else []

    def __len__(self) -> int:
        return len(self._shown) + int(np.count_nonzero(self._more)) + len(self._end)

    def blocks(self) -> Iterator[tuple[Sequence[Sequence[Any]], dict[int, list[Line]]]]:
        for start in range(0, len(self._shown), _BLOCK):
            chosen = self._shown[start : start + _BLOCK]
            more = self._more[start : start + _BLOCK]
            last = self._rows.table.address[chosen + more]
            folded = np.flatnonzero(more)
            lines = {
                row + 1: [Line.plain(f"    … {like:,} more like it, the last at {end:#x}", "dim")]
                for row, like, end in zip(folded.tolist(), more[folded].tolist(), last[folded].tolist())
            }
            yield self._rows.of(chosen), lines
        if self._end:
            yield self._rows.of(slice(0, 0)), {0: self._end}


class _Previews:
    """What chunks hold, in a few words."""

    def __init__(self, target: Target, view: HeapView) -> None:
        self._layout = view.layout
        self._memory = Ahead(target.process.memory)
        regions = [(each.start, each.end) for arena in view.arenas for each in arena.regions]
        self._heaps = Intervals((start, end, None) for start, end in regions)
        self._symbol_at = lru_cache(_MOST_SYMBOLS)(target.symbol_at)
        space, heaps = target.process.address_space, sorted(regions)
        mapped = [part for vma in space for part in without(vma.start, vma.end, heaps)]
        # Where mappings are not told, a name may be anywhere.
        self._mapped = Ranges(mapped) if space.known else None

    def of(self, table: ChunkTable) -> list[str]:
        """Return those of the chunks of the table."""
        return previews(self._memory, self._layout, table, self._symbol_of, self._may_be_named)

    def _may_be_named(self, words: NDArray[np.uint64]) -> NDArray[np.bool_]:
        large: NDArray[np.bool_] = words > np.uint64(0xFFFF)
        return large if self._mapped is None else large & self._mapped.hold(words)

    def _symbol_of(self, address: int) -> NamedAddress | None:
        """Return the symbol that an address is in: of what malloc gave, there is none, and gdb would look long."""
        return None if self._heaps.at(address) else self._symbol_at(address)


def _folded(rows: ChunkRows, fold: bool) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return which rows are shown, and for each how many behind it are folded into it: the others of a run of chunks
    of one size, state, arena and type."""
    table = rows.table
    if not fold or not len(table):
        return np.arange(len(table)), np.zeros(len(table), np.intp)
    columns: list[NDArray[Any]] = [table.size, table.state, table.arena]
    if rows.names is not None:
        columns.append(rows.names.codes_at(table.address + np.uint64(rows.view.layout.header)))
    changes = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    starts = np.concatenate(([0], np.flatnonzero(changes) + 1))
    lengths = np.diff(starts, append=len(table))
    more = np.zeros(len(table), np.intp)
    more[starts] = np.where(lengths >= _SHORTEST_RUN, lengths - 1, 0)
    is_shown = np.repeat(lengths < _SHORTEST_RUN, lengths)
    is_shown[starts] = True
    return np.flatnonzero(is_shown), more[is_shown]
