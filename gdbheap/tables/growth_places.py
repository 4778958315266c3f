"""What heap diff says beside a row's figures: an example that is alive, who holds it, and how much that one grew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Union

from gdbheap.analysis.snapshots.growth import LOST, HolderGrowth, examples
from gdbheap.analysis.snapshots.snapshot import Snapshot
from gdbheap.counted import counted
from gdbheap.errors import HeapError
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.first_words import HEAD
from gdbheap.report.printable import cut_middle, human_size
from gdbheap.report.report import ABSENT, Absent, Column, GivesWay, Line
from gdbheap.report.rows import column, columns_of, goes
from gdbheap.session.target import Target

if TYPE_CHECKING:
    from numpy.typing import NDArray


# Names of types are long: their middle gives way first, then the holder's.
_WHAT = (GivesWay(40, 20, cut_middle),)
_HOLDER = (GivesWay(45, 16, cut_middle),)


@dataclass(frozen=True)
class GrowthPlace:
    """An example of blocks that came and are still there, its state and holder, and by how much that one grew: the
    last columns of a row. ABSENT where there is none; what the snapshot does not tell is None."""

    example: int | Absent = field(default=ABSENT, metadata=column("address", "mem"))
    state: str | Absent | None = field(default=ABSENT, metadata=column("label"))
    holder: str | Absent | None = field(default=ABSENT, metadata=column("text", "symbol", gives=_HOLDER))
    holder_grown_bytes: int | Absent | None = field(
        default=ABSENT, metadata=column("bytes", heading="which grew by", gives=goes(60))
    )
    holder_grown_blocks: int | Absent | None = field(default=ABSENT, metadata=column("count", shown=False))
    holder_steady_bytes: int | Absent | None = field(default=ABSENT, metadata=column("bytes", shown=False))
    text: str | Absent = field(default=ABSENT, metadata=column(shown=False))


@dataclass(frozen=True)
class _Difference:
    grown_bytes: int = field(metadata=column("bytes", heading="grown by"))
    count_before: int = field(metadata=column("count", heading="before"))
    count_after: int = field(metadata=column("count", heading="after"))
    appeared: int = field(metadata=column("count"))
    vanished: int = field(metadata=column("count", gives=goes(55)))
    chunk_size: int = field(metadata=column("size", "size", gives=goes(50)))
    what: str = field(metadata=column("text", "symbol", gives=_WHAT))


@dataclass(frozen=True)
class _Survivors:
    steady_bytes: int = field(metadata=column("bytes", heading="steady"))
    old: int = field(metadata=column("count", heading="in all", gives=goes(55)))
    born_first: int = field(metadata=column("count", heading="new in B"))
    born_second: int = field(metadata=column("count", heading="new in C"))
    chunk_size: int = field(metadata=column("size", "size", gives=goes(50)))
    what: str = field(metadata=column("text", "symbol", gives=_WHAT))


# A dataclass's own fields come behind those of its last base, and of those before it.
@dataclass(frozen=True)
class DifferenceRow(GrowthPlace, _Difference):
    """Blocks that are alike, in two snapshots."""


@dataclass(frozen=True)
class SurvivorRow(GrowthPlace, _Survivors):
    """Blocks that are alike, in three snapshots."""


_HELD, _LOST = "held", "lost"
_MOST_HOLDERS = 5
GrowthRow = Union[DifferenceRow, SurvivorRow]
# What no debug information, and no holder's name, stands for.
_NOTHING = "nothing (lost)"


class DiffPlaces:
    """Examples out of the last snapshot: of blocks that came and (`alive`, where that is known) are still there."""

    def __init__(
        self, last: Snapshot, came: NDArray[np.bool_], alive: NDArray[np.bool_] | None, grown: Sequence[HolderGrowth]
    ) -> None:
        self._examples = examples(last, came if alive is None else came & alive)
        self._alive = None if alive is None else set(last.address[alive].tolist())
        self._grown = {each.holder: each for each in grown}

    def place(self, what: str, size: int) -> GrowthPlace:
        """Return the example of the blocks of this kind and size."""
        found = self._examples.get((what, size))
        if found is None or (self._alive is not None and found.address not in self._alive):
            return GrowthPlace()
        text = found.text or ABSENT
        if found.holder is None:
            return GrowthPlace(found.address, None, None, None, None, None, text)
        if found.holder == LOST:
            return GrowthPlace(found.address, _LOST, text=text)
        grown = self._grown.get(found.holder)
        steady = ABSENT if grown is None or grown.steady is None else grown.steady
        figures = (0, 0, ABSENT) if grown is None else (grown.bytes, grown.blocks, steady)
        return GrowthPlace(found.address, _HELD, found.holder, *figures, text)


def columns(row: type[GrowthRow], last: Snapshot) -> tuple[Column, ...]:
    """Return the columns for a last snapshot that may tell of no holders."""
    told = last.holder is not None
    return columns_of(row, state=told, holder=told, holder_grown_bytes=told)


def for_people(row: GrowthRow) -> GrowthRow:
    """Return a row with the text that its example holds."""
    if not isinstance(row.text, str):
        return row
    more = "…" if len(row.text) >= HEAD else ""
    return replace(row, what=f'{row.what}: "{row.text}{more}"')


def growth_lines(grown: Sequence[HolderGrowth]) -> Iterator[Line]:
    """Yield which holders grew most."""
    for each in grown[:_MOST_HOLDERS]:
        what = f": {each.count:,} {each.what}" if each.what else ""
        once = " (in one interval only)" if each.steady == 0 else ""
        blocks = f"{'-' if each.blocks < 0 else '+'}{counted(abs(each.blocks), 'block')}"
        yield Line.plain(f"{each.holder or _NOTHING}: +{human_size(each.bytes)}, {blocks}{what}{once}", "heading")
    if len(grown) > _MOST_HOLDERS:
        less = " less" if grown[0].steady is None else ""
        yield Line.plain(f"… {counted(len(grown) - _MOST_HOLDERS, 'more holder')} grew{less}", "dim")


def alive_now(target: Target, last: Snapshot) -> NDArray[np.bool_] | None:
    """Return which of a snapshot's blocks are there now; None where its process is not the one that is stopped here."""
    try:
        if not last.facts.get("pid") or target.process.own_id != last.facts["pid"]:
            return None
        blocks = target.heap().blocks()
    except HeapError:
        return None
    if not len(blocks):
        return np.zeros(len(last), np.bool_)
    place = np.minimum(np.searchsorted(blocks.start, last.address), len(blocks) - 1)
    alive: NDArray[np.bool_] = (blocks.start[place] == last.address) & (blocks.size[place] == last.size)
    return alive
