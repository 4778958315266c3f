"""main_arena without a symbol: by the shape of its bins, and by the ring that its arenas form.

An arena's bins are 127 pairs of links; each empty one points to two words before itself, a shape that nothing else
has been seen to take. Which generation of struct malloc_state it is follows from how far before the bins the struct
must start for `next` to lead back to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gdbheap.errors import MemoryFault
from gdbheap.glibc.locate import builtin_structs
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.word_windows import windows
from gdbheap.process.cstruct import CStruct, StructValue
from gdbheap.process.process import Process

if TYPE_CHECKING:
    from numpy.typing import NDArray

SLOTS = 127
# A heap in heavy use has links in up to a hundred of its bins; the ring decides among candidates this weak.
MIN_EMPTY = 8
MAX_CANDIDATES = 4_096
MAX_ARENAS = 1 << 14


@dataclass(frozen=True)
class FoundArena:
    """A main_arena: its address, its struct, MALLOC_ALIGNMENT, and how many of its 127 bins are sound."""

    address: int
    malloc_state: CStruct
    alignment: int
    sound: int


def find_main_arenas(process: Process, ranges: Iterable[tuple[int, int]]) -> list[FoundArena]:
    """Return every arena in the ranges whose ring of arenas leads back to it, the soundest first.

    Of places that overlap, which are shifted views of the same bins, only the soundest is an arena.
    """
    structs = _structs(process.pointer_size)
    overlap = max(struct.size for struct, _ in structs)
    found: dict[int, FoundArena] = {}
    for start, words in windows(process, ranges, overlap):
        for bins in _candidates(start, words, process.pointer_size):
            for struct, alignment in structs:
                arena = bins - struct.offset("bins")
                if arena not in found and arena > 0 and ring_returns(process, arena, struct):
                    found[arena] = FoundArena(arena, struct, alignment, _sound_bins(process, bins))
    best: list[FoundArena] = []
    for each in sorted(found.values(), key=lambda each: -each.sound):
        if not any(abs(each.address - other.address) < overlap and each.sound < other.sound for other in best):
            best.append(each)
    return best


def ring_returns(process: Process, arena: int, struct: CStruct) -> bool:
    """Whether `next` leads from the arena through others like it back to it."""
    at = arena
    seen: set[int] = set()
    while len(seen) < MAX_ARENAS:
        seen.add(at)
        try:
            at = process.words.read(at + struct.offset("next"))
            if at == arena:
                return True
            if at in seen or not at or _empty_bins(process, at, struct) < MIN_EMPTY:
                return False
        except (MemoryFault, OverflowError):
            return False
    return False


def is_blank(arena: StructValue) -> bool:
    """Whether the arena is as it is in the file, before malloc's first use."""
    return not arena["top"] and not arena["system_mem"] and not any(arena.array("bins"))


def _empty_bins(process: Process, arena: int, struct: CStruct) -> int:
    """Return how many bins of an arena link to themselves; raise MemoryFault."""
    bins, pointer_size = struct["bins"], process.pointer_size
    links = process.words.read_many(arena + bins.offset, bins.count)
    heads = range(
        arena + bins.offset - 2 * pointer_size, arena + bins.offset - 2 * pointer_size + bins.size, 2 * pointer_size
    )
    return sum(fd == bk == head for fd, bk, head in zip(links[::2], links[1::2], heads))


def _sound_bins(process: Process, bins: int) -> int:
    """Return how many of the 127 bins at `bins` are empty, or begin and end with chunks that link back."""
    pointer_size, sound = process.pointer_size, 0
    try:
        links = process.words.read_many(bins, 2 * SLOTS)
    except MemoryFault:
        return 0
    for index in range(SLOTS):
        head, fd, bk = bins + 2 * (index - 1) * pointer_size, links[2 * index], links[2 * index + 1]
        if fd == bk == head:
            sound += 1
            continue
        try:
            sound += process.words.read(fd + 3 * pointer_size) == head == process.words.read(bk + 2 * pointer_size)
        except (MemoryFault, OverflowError):
            continue
    return sound


def _structs(pointer_size: int) -> list[tuple[CStruct, int]]:
    """Return the generations of struct malloc_state with their alignments, one for each place of `bins`."""
    found: dict[int, tuple[CStruct, int]] = {}
    for size, alignment in builtin_structs.word_and_alignments():
        if size == pointer_size:
            for struct in builtin_structs.malloc_states(pointer_size, alignment):
                found.setdefault(struct.offset("bins"), (struct, alignment))
    return list(found.values())


def _candidates(start: int, words: NDArray[np.uint64], pointer_size: int) -> list[int]:
    """Return the addresses of 127 slots of which some are empty bins, the most first."""
    if len(words) < 2 * SLOTS:
        return []
    heads = np.uint64(start - 2 * pointer_size) + np.arange(len(words), dtype=np.uint64) * np.uint64(pointer_size)
    empty = (words[:-1] == heads[:-1]) & (words[1:] == heads[:-1])
    found = []
    for parity in (0, 1):
        sums = np.concatenate(([0], np.cumsum(empty[parity::2], dtype=np.int64)))
        counts = sums[SLOTS:] - sums[:-SLOTS]
        for slot in np.flatnonzero(counts >= MIN_EMPTY).tolist():
            found.append((start + (2 * slot + parity) * pointer_size, int(counts[slot])))
    return [bins for bins, _ in sorted(found, key=lambda each: -each[1])[:MAX_CANDIDATES]]
