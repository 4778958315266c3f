"""A snapshot of a heap: its blocks, each with what it is, and a few facts; and what differs between two or three."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gdbheap.analysis.memory_use.usage import usage
from gdbheap.analysis.objects.contents import describe, is_class
from gdbheap.analysis.pointers.blocks import Blocks, live_blocks
from gdbheap.analysis.pointers.graph import read_heads
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.walk.first_words import HEAD, FirstWords
from gdbheap.lazy import np
from gdbheap.process.memory import ReadProgress
from gdbheap.process.process import Process
from gdbheap.process.symbols import SymbolAt

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Snapshot:
    """Blocks in order of address: `address` is the mem, `size` the chunk's, `names[kind]` what it is.

    `facts` are plain JSON values: program, pid, kind, time (seconds since 1970), in_use_bytes, free_bytes, top_bytes, blocks, complete,
    read_seconds (how long the process had to stand still).
    """

    facts: dict[str, Any]
    names: tuple[str, ...]
    address: NDArray[np.uint64]
    size: NDArray[np.uint64]
    kind: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.address)


def take_snapshot(
    process: Process,
    view: HeapView,
    first_words: FirstWords,
    symbol_at: SymbolAt,
    started: float,
    progress: ReadProgress | None = None,
) -> Snapshot:
    """Return the snapshot; `started` is the time.monotonic() since which the process has had to stand still for it. What `first_words` has
    is not read again."""
    blocks = live_blocks(view)
    head = np.zeros(
        (len(blocks), HEAD // view.layout.pointer_size), np.uint64 if view.layout.pointer_size == 8 else np.uint32
    )
    rest = ~first_words.give(blocks.start, head)
    others = Blocks(blocks.start[rest], blocks.end[rest], blocks.size[rest], blocks.row[rest])
    head[rest] = read_heads(process.memory, others, view.layout.pointer_size, progress)
    stood_still = time.monotonic() - started
    contents = describe(blocks, head, np.arange(len(blocks)), process.address_space, symbol_at)
    used, kind = np.unique(contents.kind, return_inverse=True)
    tally = usage(view.table)
    facts = {
        "program": "" if process.main is None else process.main.path,
        "pid": process.own_id,
        "kind": process.kind,
        "time": round(time.time(), 3),
        "blocks": len(blocks),
        "in_use_bytes": int(blocks.size.sum()),
        "free_bytes": tally.free.bytes,
        "top_bytes": tally.top.bytes,
        "complete": view.complete,
        "read_seconds": round(stood_still, 3),
    }
    names = tuple(contents.names[each] for each in used.tolist())
    return Snapshot(facts, names, blocks.start, blocks.size, kind.astype(np.int32))


@dataclass(frozen=True)
class GroupDifference:
    """The blocks of one size and kind in two snapshots. What is in both is at the same address, of the same size: it may have been given
    back and taken again in between."""

    what: str
    chunk_size: int
    count_before: int
    count_after: int
    appeared: int
    vanished: int

    @property
    def grown_bytes(self) -> int:
        return (self.count_after - self.count_before) * self.chunk_size


@dataclass(frozen=True)
class GroupSurvivors:
    """The blocks of one size and kind that are in the last of three snapshots, by the interval in which they came.

    `born_first` came between the first two and are still there, `born_second` between the last two; `old` were in the first.
    """

    what: str
    chunk_size: int
    old: int
    born_first: int
    born_second: int

    @property
    def steady_bytes(self) -> int:
        """Bytes that came, and stayed, in each of the intervals: what grows steadily, and not only while it warms up."""
        return min(self.born_first, self.born_second) * self.chunk_size


def compare(before: Snapshot, after: Snapshot) -> list[GroupDifference]:
    """Return the groups of both, those that grew most first, those that shrank most last."""
    names = _common_names(before, after)
    in_after, in_before = _also_in(before, after, names), _also_in(after, before, names)
    keys, counts = _count_groups(
        names,
        [(before, None), (after, None), (after, ~in_before), (before, ~in_after)],
    )
    groups = [GroupDifference(names[kind], size, *row) for (kind, size), row in zip(keys, counts.tolist())]
    return sorted(
        groups, key=lambda each: (-each.grown_bytes, -each.appeared * each.chunk_size, each.what, each.chunk_size)
    )


def survivors(first: Snapshot, second: Snapshot, third: Snapshot) -> list[GroupSurvivors]:
    """Return the groups of the third snapshot by the interval in which their blocks came, the steadiest growth first."""
    names = _common_names(first, second, third)
    in_second = _also_in(third, second, names)
    old = _also_in(third, first, names) & in_second
    from_second, recent = in_second & ~old, ~in_second
    keys, counts = _count_groups(names, [(third, old), (third, from_second), (third, recent)])
    groups = [GroupSurvivors(names[kind], size, *row) for (kind, size), row in zip(keys, counts.tolist())]
    return sorted(
        groups, key=lambda each: (-each.steady_bytes, -each.born_second * each.chunk_size, each.what, each.chunk_size)
    )


def _common_names(*snapshots: Snapshot) -> list[str]:
    return sorted({name for each in snapshots for name in each.names})


def _also_in(here: Snapshot, there: Snapshot, names: list[str]) -> NDArray[np.bool_]:
    """Return which blocks of `here` are in `there`, at the same address and of the same size, and not of another class. (Other kinds say no
    more than what the program has written into a block by then.)"""
    if not len(there):
        return np.zeros(len(here), np.bool_)
    place = np.minimum(np.searchsorted(there.address, here.address), len(there) - 1)
    one, other = _kinds(here, names), _kinds(there, names)[place]
    of_class = np.array([is_class(name) for name in names], np.bool_)
    same: NDArray[np.bool_] = (there.address[place] == here.address) & (there.size[place] == here.size)
    if len(of_class):
        same &= (one == other) | ~of_class[one] | ~of_class[other]
    return same


def _kinds(snapshot: Snapshot, names: list[str]) -> NDArray[np.uint64]:
    """Return the place in `names` of what each block is."""
    places = {name: index for index, name in enumerate(names)}
    return np.array([places[name] for name in snapshot.names], np.uint64)[snapshot.kind]


def _count_groups(
    names: list[str], parts: list[tuple[Snapshot, NDArray[np.bool_] | None]]
) -> tuple[list[tuple[int, int]], NDArray[np.int64]]:
    """Return the (name, size) of all blocks in the parts, and how many of each every part has."""
    rows = []
    for snapshot, chosen in parts:
        pairs = (
            np.stack((_kinds(snapshot, names), snapshot.size), axis=1) if len(snapshot) else np.empty((0, 2), np.uint64)
        )
        rows.append(pairs if chosen is None else pairs[chosen])
    keys, place = np.unique(np.concatenate(rows), axis=0, return_inverse=True)
    place = place.reshape(-1)
    counts = np.zeros((len(keys), len(parts)), np.int64)
    at = 0
    for index, part in enumerate(rows):
        counts[:, index] = np.bincount(place[at : at + len(part)], minlength=len(keys))
        at += len(part)
    return [(int(kind), int(size)) for kind, size in keys.tolist()], counts
