"""What heap diff says beside a row's figures: an example that is alive, who holds it, and how much that one grew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gdbheap.analysis.pointers.blocks import live_blocks
from gdbheap.analysis.snapshots.growth import LOST, HolderGrowth, examples
from gdbheap.analysis.snapshots.snapshot import Snapshot
from gdbheap.counted import counted
from gdbheap.errors import HeapError
from gdbheap.glibc.walk.first_words import HEAD
from gdbheap.lazy import np
from gdbheap.report.printable import human_size
from gdbheap.report.report import ABSENT, Column, Line
from gdbheap.session.target import Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

PLACE_COLUMNS = (
    Column("example", "address", "mem"),
    Column("state", "label"),
    Column("holder", "text", "symbol"),
    Column("holder_grown_bytes", "bytes", heading="which grew by"),
    Column("holder_grown_blocks", "count", shown=False),
    Column("text", "text", shown=False),
)
_HELD, _LOST = "held", "lost"
_MOST_HOLDERS = 5
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

    def cells(self, what: str, size: int) -> tuple[Any, ...]:
        """Return the cells of PLACE_COLUMNS for the blocks of this kind and size."""
        found = self._examples.get((what, size))
        if found is None or (self._alive is not None and found.address not in self._alive):
            return (ABSENT,) * len(PLACE_COLUMNS)
        text = found.text or ABSENT
        if found.holder is None:
            return found.address, None, None, None, None, text
        if found.holder == LOST:
            return found.address, _LOST, ABSENT, ABSENT, ABSENT, text
        grown = self._grown.get(found.holder)
        figures = (0, 0) if grown is None else (grown.bytes, grown.blocks)
        return found.address, _HELD, found.holder, *figures, text


def shown(columns: Sequence[Column], last: Snapshot) -> tuple[Column, ...]:
    """Return the columns for a last snapshot that may tell of no holders."""
    hidden = () if last.holder is not None else ("state", "holder", "holder_grown_bytes")
    return tuple(
        Column(each.name, each.format, each.token, each.shown and each.name not in hidden, each.published, each.heading)
        for each in columns
    )


def for_people(row: tuple[Any, ...], what: int) -> tuple[Any, ...]:
    """Return a row with the text that its example holds; `what` is the place of that column."""
    text = row[-1]
    if text is ABSENT:
        return row
    more = "…" if len(text) >= HEAD else ""
    return (*row[:what], f'{row[what]}: "{text}{more}"', *row[what + 1 :])


def growth_lines(grown: Sequence[HolderGrowth], example: int | None) -> Iterator[Line]:
    """Yield which holders grew most, and the command that leads on."""
    for each in grown[:_MOST_HOLDERS]:
        what = f": {each.count:,} {each.what}" if each.what else ""
        yield Line.plain(
            f"{each.holder or _NOTHING}: +{human_size(each.bytes)}, {each.blocks:+,} blocks{what}", "heading"
        )
    if len(grown) > _MOST_HOLDERS:
        yield Line.plain(f"… {counted(len(grown) - _MOST_HOLDERS, 'more holder')} grew less", "dim")
    if example is not None:
        rest = ", `heap retained` who keeps how much alive" if grown else ""
        yield Line.plain(f"`heap owners {example:#x}` shows who points to the first example{rest}", "dim")


def alive_now(target: Target, last: Snapshot) -> NDArray[np.bool_] | None:
    """Return which of a snapshot's blocks are there now; None where its process is not the one that is stopped here."""
    try:
        if not last.facts.get("pid") or target.process.own_id != last.facts["pid"]:
            return None
        blocks = live_blocks(target.heap())
    except HeapError:
        return None
    if not len(blocks):
        return np.zeros(len(last), np.bool_)
    place = np.minimum(np.searchsorted(blocks.start, last.address), len(blocks) - 1)
    alive: NDArray[np.bool_] = (blocks.start[place] == last.address) & (blocks.size[place] == last.size)
    return alive
