"""Where a heap grows: of each group of blocks an example, who holds it, and how much more each holder has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gdbheap.analysis.objects.contents import is_class, is_text, text_of
from gdbheap.analysis.snapshots.snapshot import Snapshot
from gdbheap.lazy import dataclass, np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOST = ""
# Bytes, and what only its holder names; the C++ library's own; objects of shared_ptr, whose name has their type.
_PLAIN = ("char", "unsigned char", "void", "what ")
_LIBRARY = ("std::", "__gnu_cxx::")
_SHARED = "std::_Sp_counted_ptr"


@dataclass(frozen=True)
class Example:
    """A block of a group: its address, its nearest named `holder` (LOST: nothing leads to it; None: the snapshot does
    not tell), and the text that it holds, if it is text."""

    address: int
    holder: str | None
    text: str


@dataclass(frozen=True)
class HolderGrowth:
    """How much more a holder (LOST: what nothing leads to) has than before, and what most of that is: `count` blocks
    of `what` that came. Of three snapshots, `steady` is the smaller growth of both intervals (0: in one it did not
    grow)."""

    holder: str
    bytes: int
    blocks: int
    what: str
    count: int
    steady: int | None = None


def examples(snapshot: Snapshot, preferred: NDArray[np.bool_]) -> dict[tuple[str, int], Example]:
    """Return an example for each (what, chunk size): a preferred block where there is one, with the holder that most
    of these have."""
    sizes, size = np.unique(snapshot.size, return_inverse=True)
    holder = snapshot.holder if snapshot.holder is not None else np.zeros(len(snapshot), np.int32)
    group = snapshot.kind.astype(np.int64) * len(sizes) + size
    rank = (group << 1 | ~preferred) * (int(holder.max(initial=0)) + 1) + holder
    keys, first, count = np.unique(rank, return_index=True, return_counts=True)
    both = keys // (int(holder.max(initial=0)) + 1)
    found: dict[tuple[str, int], Example] = {}
    # Of each group the preferred first, of these the most frequent holder's.
    for index in np.lexsort((first, -count, both)).tolist():
        block = int(first[index])
        key = (snapshot.names[int(snapshot.kind[block])], int(snapshot.size[block]))
        if key not in found:
            found[key] = example_at(snapshot, block)
    return found


def example_at(snapshot: Snapshot, block: int) -> Example:
    """Return a snapshot's block as an example."""
    holder = None if snapshot.holder is None else snapshot.holders[int(snapshot.holder[block])]
    name = snapshot.names[int(snapshot.kind[block])]
    # Of a struct the first bytes are text by chance.
    may_be_text = snapshot.head is not None and (is_text(name) or name.startswith(_PLAIN))
    text = text_of(snapshot.head[block]) if may_be_text and snapshot.head is not None else ""
    return Example(int(snapshot.address[block]), holder, text)


def holder_growth(snapshots: Sequence[Snapshot], came: NDArray[np.bool_]) -> list[HolderGrowth]:
    """Return the holders that have more in the last of two or three snapshots than in the first, those that grew most
    first, and before others those that grew in both intervals; `came` are the blocks that were not there in the first.
    [] where a snapshot does not tell of holders."""
    if any(each.holder is None for each in snapshots):
        return []
    first, *between, last = map(_sums, snapshots)
    what = _most_of(snapshots[-1], came)
    grown = []
    for name, (size, count) in last.items():
        had, had_blocks = first.get(name, (0, 0))
        if size > had:
            meanwhile = [each.get(name, (0, 0))[0] for each in between]
            steady = max(min(size - meanwhile[0], meanwhile[0] - had), 0) if meanwhile else None
            grown.append(HolderGrowth(name, size - had, count - had_blocks, *what.get(name, ("", 0)), steady))
    return sorted(grown, key=lambda each: (not each.steady, -(each.steady or 0), -each.bytes, each.holder))


def _sums(snapshot: Snapshot) -> dict[str, tuple[int, int]]:
    """Return the bytes and blocks of each holder."""
    assert snapshot.holder is not None
    order = np.argsort(snapshot.holder, kind="stable")
    holder = snapshot.holder[order]
    begin = np.flatnonzero(np.diff(holder, prepend=-1))
    if not len(begin):
        return {}
    sums = np.add.reduceat(snapshot.size[order], begin).tolist()
    counts = np.diff(np.append(begin, len(holder))).tolist()
    found: dict[str, tuple[int, int]] = {}
    for number, size, count in zip(holder[begin].tolist(), sums, counts):
        name = snapshot.holders[number]
        before = found.get(name, (0, 0))
        found[name] = before[0] + int(size), before[1] + count
    return found


def _most_of(snapshot: Snapshot, came: NDArray[np.bool_]) -> dict[str, tuple[str, int]]:
    """Return for each holder the kind of block with the most bytes among those that came, and how many there are: of
    those that have a type, where there are such. One block (an array that was made anew, as a rule) comes behind the
    kinds of which several came, unless it is most of all."""
    assert snapshot.holder is not None
    kinds = len(snapshot.names)
    pairs, which, counts = np.unique(
        snapshot.holder[came].astype(np.int64) * kinds + snapshot.kind[came], return_inverse=True, return_counts=True
    )
    sums = np.bincount(which.reshape(-1), snapshot.size[came].astype(np.float64), len(pairs))
    found: dict[str, tuple[str, int]] = {}
    rank = np.array([_rank(name) for name in snapshot.names], np.int8)[pairs % kinds]
    whole = np.bincount(pairs // kinds, sums)[pairs // kinds]
    alone = (counts == 1) & (2 * sums < whole)
    for index in np.lexsort((-sums, rank, alone)).tolist():
        holder, kind = divmod(int(pairs[index]), kinds)
        found.setdefault(snapshot.holders[holder], (snapshot.names[kind], int(counts[index])))
    return found


def _rank(name: str) -> int:
    """Return less for a name that tells more: of the program's own type, of the C++ library's, of none."""
    if not is_class(name) or name.startswith(_PLAIN):
        return 2
    return int(name.startswith(_LIBRARY) and not name.startswith(_SHARED))
