"""A snapshot of a heap: its blocks, each with what it is, and a few facts; and what differs between two or three."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gdbheap.allocators.blocks import Blocks
from gdbheap.allocators.heap import Heap
from gdbheap.analysis.objects.contents import describe, is_class, looks_like_text
from gdbheap.analysis.objects.lookup import Lookup
from gdbheap.analysis.pointers.graph import read_heads
from gdbheap.errors import HeapError
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.first_words import HEAD, FirstWords
from gdbheap.process.memory import ReadProgress
from gdbheap.process.process import Process

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SLICE = 1 << 20
_MOST_GROUPS = 1 << 21


@dataclass(frozen=True)
class Snapshot:
    """Blocks in order of address: `address` is the mem, `size` the chunk's, `names[kind]` what it is.

    `facts` are plain JSON values: program, pid, kind, time (seconds since 1970), in_use_bytes, free_bytes,
    top_bytes, blocks, complete, read_seconds (how long the process had to stand still). Where the snapshot tells of
    holders, `holders[holder]` is the nearest variable or member that each block is held by ("": nothing leads to it);
    `head` has the first 16 bytes of those that begin with text, in two words, zeros for others.
    """

    facts: dict[str, Any]
    names: tuple[str, ...]
    address: NDArray[np.uint64]
    size: NDArray[np.uint64]
    kind: NDArray[np.int32]
    holder: NDArray[np.int32] | None = None
    holders: tuple[str, ...] = ()
    head: NDArray[np.uint64] | None = None

    def __len__(self) -> int:
        return len(self.address)


def take_snapshot(
    heap: Heap,
    first_words: FirstWords,
    lookup: Lookup,
    started: float,
    progress: ReadProgress | None = None,
) -> Snapshot:
    """Return the snapshot; `started` is the time.monotonic() since which the process has had to stand still for it.
    What `first_words` has is not read again."""
    blocks, process = heap.blocks(), lookup.process
    head = np.zeros((len(blocks), HEAD // heap.layout.pointer_size), np.dtype(f"u{heap.layout.pointer_size}"))
    rest = ~first_words.give(blocks.start, head)
    others = Blocks(blocks.start[rest], blocks.end[rest], blocks.size[rest], blocks.row[rest])
    head[rest] = read_heads(process.memory, others, heap.layout.pointer_size, progress)
    facts = heap_facts(process, heap, blocks, started)
    contents = describe(blocks, head, np.arange(len(blocks)), lookup)
    used, kind = np.unique(contents.kind, return_inverse=True)
    names = tuple(contents.names[each] for each in used.tolist())
    return Snapshot(facts, names, blocks.start, blocks.size, kind.astype(np.int32), head=text_heads(head))


def text_heads(head: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the first 16 bytes of the blocks that begin with text, as two words of 8 bytes; zeros for the others."""
    whole = np.ascontiguousarray(head).view(np.uint64).reshape(len(head), HEAD // 8)
    result: NDArray[np.uint64] = np.where(looks_like_text(head)[:, None], whole, np.uint64(0))
    return result


def heap_facts(process: Process, heap: Heap, blocks: Blocks, started: float) -> dict[str, Any]:
    """Return a snapshot's facts, once all of the process's memory that it takes is read."""
    stood_still = time.monotonic() - started if process.seconds_held is None else process.seconds_held
    return {
        "program": "" if process.main is None else process.main.path,
        "pid": process.own_id,
        "kind": process.kind,
        "time": round(time.time(), 3),
        "blocks": len(blocks),
        "in_use_bytes": int(blocks.size.sum()),
        **heap.not_in_use(),
        "complete": heap.complete,
        "read_seconds": round(stood_still, 3),
    }


@dataclass(frozen=True)
class GroupDifference:
    """The blocks of one size and kind in two snapshots. What is in both is at the same address, of the same size: it
    may have been given back and taken again in between."""

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

    `born_first` came between the first two and are still there, `born_second` between the last two; `old` were in
    the first.
    """

    what: str
    chunk_size: int
    old: int
    born_first: int
    born_second: int

    @property
    def steady_bytes(self) -> int:
        """Bytes that came, and stayed, in each of the intervals: what grows steadily, and not only while it warms
        up."""
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


def came(before: Snapshot, after: Snapshot) -> NDArray[np.bool_]:
    """Return which blocks of `after` were not there before."""
    return ~_also_in(after, before, _common_names(before, after))


def survivors(first: Snapshot, second: Snapshot, third: Snapshot) -> list[GroupSurvivors]:
    """Return the groups of the third snapshot by the interval in which their blocks came, the steadiest growth
    first."""
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
    """Return which blocks of `here` are in `there`, at the same address and of the same size, and not of another
    class. (Other kinds say no more than what the program has written into a block by then.)"""
    found = np.zeros(len(here), np.bool_)
    of_class = np.array([is_class(name) for name in names], np.bool_)
    kinds_here, kinds_there = _places(here, names), _places(there, names)
    for part in _slices(len(here)) if len(there) else ():
        place = np.minimum(np.searchsorted(there.address, here.address[part]), len(there) - 1)
        same = (there.address[place] == here.address[part]) & (there.size[place] == here.size[part])
        one, other = kinds_here[here.kind[part]], kinds_there[there.kind[place]]
        found[part] = same & ((one == other) | ~of_class[one] | ~of_class[other])
    return found


def _places(snapshot: Snapshot, names: list[str]) -> NDArray[np.uint64]:
    """Return the place in `names` of each of the snapshot's own names."""
    places = {name: index for index, name in enumerate(names)}
    return np.array([places[name] for name in snapshot.names], np.uint64)


def _slices(count: int) -> Iterator[slice]:
    """Yield slices that are together as long as a snapshot: what is made of one at a time takes little memory."""
    return (slice(at, min(at + _SLICE, count)) for at in range(0, count, _SLICE))


def _count_groups(
    names: list[str], parts: list[tuple[Snapshot, NDArray[np.bool_] | None]]
) -> tuple[list[tuple[int, int]], NDArray[np.int64]]:
    """Return the (name, size) of all blocks in the parts, and how many of each every part has; HeapError where no
    heap has so many."""
    found: dict[tuple[int, int], list[int]] = {}
    for index, (snapshot, chosen) in enumerate(parts):
        places = _places(snapshot, names)
        for part in _slices(len(snapshot)):
            kind, size = places[snapshot.kind[part]], snapshot.size[part]
            if chosen is not None:
                kind, size = kind[chosen[part]], size[chosen[part]]
            sizes, place = np.unique(size, return_inverse=True)
            groups, counts = np.unique(place.astype(np.uint64) * np.uint64(len(names)) + kind, return_counts=True)
            for group, count in zip(groups.tolist(), counts.tolist()):
                key = (group % len(names), int(sizes[group // len(names)]))
                found.setdefault(key, [0] * len(parts))[index] += count
            if len(found) > _MOST_GROUPS:
                raise HeapError(f"the snapshots hold more than {_MOST_GROUPS:,} groups of blocks: of no heap's")
    keys = sorted(found)
    return keys, np.array([found[key] for key in keys], np.int64).reshape(len(keys), len(parts))
