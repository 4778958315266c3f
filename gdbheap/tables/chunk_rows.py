"""The rows of `heap chunks`, made as they are asked for: there may be a million."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gdbheap.analysis.addresses.previews import previews
from gdbheap.glibc.chunk_table import FREE_STATES, PREV_INUSE, ChunkTable, State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.naming import arena_name, flag_letters, place_at
from gdbheap.interface.limit import left_out, limit_of
from gdbheap.lazy import np
from gdbheap.process.address_space import without
from gdbheap.process.ahead import Ahead
from gdbheap.process.columns.ranges import Ranges
from gdbheap.process.intervals import Intervals
from gdbheap.process.named_address import NamedAddress
from gdbheap.report.report import ABSENT, Line
from gdbheap.sentences.block_names import BlockNames
from gdbheap.sentences.names_of_many import NO_NAME, NamesOfMany, SaidName
from gdbheap.session.target import Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STATES = tuple(state.label for state in State)
_IN_USE = int(State.IN_USE)
_FREE = frozenset(int(state) for state in FREE_STATES)
# Rows that are turned into Python's objects at a time.
_BLOCK = 1 << 14
# A run of like chunks shorter than this is shown chunk by chunk.
_SHORTEST_RUN = 4
# So many addresses are kept with their symbols: gdb looks one up in the time of ten rows.
_MOST_SYMBOLS = 1 << 16


class ChunkRows(Sequence[Sequence[Any]]):
    """The published rows, each made when it is asked for."""

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
            return list(self.of(row))
        if not 0 <= row < len(self):
            raise IndexError(row)
        return next(self.of(slice(row, row + 1)))

    def __iter__(self) -> Iterator[Sequence[Any]]:
        for start in range(0, len(self), _BLOCK):
            yield from self.of(slice(start, start + _BLOCK))

    def of(self, chosen: slice | NDArray[np.intp]) -> Iterator[Sequence[Any]]:
        """Yield rows out of columns turned into lists at once: an element of an array alone costs as much as the
        rest of a row."""
        table = self.table.take(chosen)
        header = self.view.layout.header
        contents = [""] * len(table) if self._previews is None else self._previews.of(table)
        columns = (table.address, table.size, table.flags, table.state, table.arena)
        for address, size, flags, state, arena, name, content in zip(
            *(each.tolist() for each in columns), self._names_of(table), contents
        ):
            place = place_at(self.view, address) if state in _FREE else ""
            label, letters = _STATES[state], flag_letters(flags)
            cells = address, address + header, size, label, arena_name(arena), bool(flags & PREV_INUSE), letters, place
            kind = (name.type, name.confidence) if state == _IN_USE else (ABSENT, ABSENT)
            yield (*cells, *kind, self._preview(name.text, content))

    def _names_of(self, table: ChunkTable) -> list[SaidName]:
        """Return what the blocks are called; the others have no name."""
        names = [NO_NAME] * len(table)
        if self._names is not None:
            live = np.flatnonzero(table.state == _IN_USE)
            mems = table.address[live] + np.uint64(self.view.layout.header)
            for row, name in zip(live.tolist(), self._names.at(mems)):
                names[row] = name
        return names

    def _preview(self, name: str, content: str) -> Any:
        if self._previews is None:
            return ABSENT
        return f"{name}  {content}" if name else content


class DisplayedChunks(Sequence[Any]):
    """The rows for people, each made when it is asked for: like chunks in a row folded, and cut at the limit."""

    def __init__(self, target: Target, rows: ChunkRows, arguments: Mapping[str, Any]) -> None:
        self._rows = rows
        shown, more = _folded(rows, fold=not arguments["no_fold"])
        limit = limit_of(target, arguments)
        self._shown, self._more = (shown[:limit], more[:limit]) if limit else (shown, more)
        left = len(rows) - len(self._shown) - int(self._more.sum())
        self._end = [left_out(left, "chunk", also=", --summary the totals")] if left else []

    def __len__(self) -> int:
        return len(self._shown) + int(np.count_nonzero(self._more)) + len(self._end)

    def __getitem__(self, place: Any) -> Any:
        return list(self)[place]

    def __iter__(self) -> Iterator[Sequence[Any] | Line]:
        for start in range(0, len(self._shown), _BLOCK):
            chosen = self._shown[start : start + _BLOCK]
            more = self._more[start : start + _BLOCK]
            last = self._rows.table.address[chosen + more]
            for cells, like, end in zip(self._rows.of(chosen), more.tolist(), last.tolist()):
                yield cells
                if like:
                    yield Line.plain(f"    … {like:,} more like it, the last at {end:#x}", "dim")
        yield from self._end


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
