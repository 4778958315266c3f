"""mp_ without a symbol: by the values that its members have from the start, or by where it must say that the heap
begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from gdbheap.lazy import dataclass, np
from gdbheap.machine.machine import Machine
from gdbheap.process.columns.word_windows import windows
from gdbheap.process.cstruct import CStruct, StructValue
from gdbheap.process.process import Process

if TYPE_CHECKING:
    from numpy.typing import NDArray

# mirrors the initialiser of mp_: DEFAULT_TOP_PAD, DEFAULT_MMAP_THRESHOLD and DEFAULT_TRIM_THRESHOLD, DEFAULT_MMAP_MAX,
# NARENAS_FROM_NCORES(1)
_DEFAULT_SIZE = 0x20000
_DEFAULT_MMAPS = 0x10000
_TCACHE_BINS = 64
_MOST_CACHED = 0xFFFF


@dataclass(frozen=True)
class FoundMp:
    """A mp_: its address and struct, how many of its members are as expected, and whether malloc has not been used
    yet."""

    address: int
    malloc_par: CStruct
    score: int
    untouched: bool


def find_mps(
    process: Process, ranges: Iterable[tuple[int, int]], structs: Sequence[CStruct], heap_start: int | None
) -> list[FoundMp]:
    """Return every place in the ranges that looks like mp_: those whose members are the most as expected, and no
    others.

    `structs` are the generations that come into question, the newest first; `heap_start` is where sbrk_base must
    point, if that is known.
    """
    ranges = list(ranges)
    for looks_right in (_has_defaults, _has_heap_start):
        found: dict[int, FoundMp] = {}
        for start, words in windows(process, ranges, max(each.size for each in structs)):
            for index, struct in looks_right(process.machine, words, structs, heap_start):
                value = StructValue(
                    struct, start + index * process.pointer_size, _bytes(words, index, struct, process.pointer_size)
                )
                score = _score(value, process, heap_start)
                if score > (found[value.address].score if value.address in found else 0):
                    untouched = not value["sbrk_base"] and not value["max_n_mmaps"]
                    found[value.address] = FoundMp(value.address, struct, score, untouched)
        if found:
            best = max(each.score for each in found.values())
            return [each for each in found.values() if each.score == best]
    return []


_Hits = Iterator[tuple[int, CStruct]]


def _has_defaults(machine: Machine, words: NDArray[np.uint64], structs: Sequence[CStruct], _: int | None) -> _Hits:
    """Yield (index, struct) where top_pad, arena_test, arena_max and n_mmaps_max are what they are unless someone
    tunes them."""
    if len(words) < 32:
        return
    fits = (words[1:-4] == _DEFAULT_SIZE) & (words[3:-2] == machine.malloc.arenas_per_processor) & (words[4:-1] == 0)
    fits &= (words[:-5] >= _DEFAULT_SIZE) & (words[2:-3] >= _DEFAULT_SIZE)
    for index in np.flatnonzero(fits).tolist():
        for struct in structs:
            data = _bytes(words, index, struct, machine.pointer_size)
            if len(data) == struct.size and StructValue(struct, 0, data)["n_mmaps_max"] == _DEFAULT_MMAPS:
                yield index, struct


def _has_heap_start(
    machine: Machine, words: NDArray[np.uint64], structs: Sequence[CStruct], heap_start: int | None
) -> _Hits:
    """Yield (index, struct) where sbrk_base is the heap's start, whatever the tunables are."""
    if not heap_start:
        return
    for place in np.flatnonzero(words == np.uint64(heap_start)).tolist():
        for struct in structs:
            index = place - struct.offset("sbrk_base") // machine.pointer_size
            if index >= 0 and len(_bytes(words, index, struct, machine.pointer_size)) == struct.size:
                yield index, struct


def _score(value: StructValue, process: Process, heap_start: int | None) -> int:
    """Return how many members are as they are in most processes; 0 if they contradict each other or what is known."""
    base = value["sbrk_base"]
    if value["n_mmaps"] > value["max_n_mmaps"] or value["mmapped_mem"] > value["max_mmapped_mem"]:
        return 0
    if value["no_dyn_threshold"] > 1 or value["n_mmaps_max"] > 1 << 30:
        return 0
    if heap_start is not None and base not in (0, heap_start):
        return 0
    usual = [
        heap_start is not None and base == heap_start,
        value["top_pad"] == _DEFAULT_SIZE,
        value["mmap_threshold"] >= _DEFAULT_SIZE,
        value["trim_threshold"] >= _DEFAULT_SIZE,
        value["arena_test"] == process.machine.malloc.arenas_per_processor,
        value["n_mmaps_max"] == _DEFAULT_MMAPS,
        value["mmapped_mem"] % process.page_size == 0,
    ]
    bins = value.get("tcache_bins") if "tcache_bins" in value else value.get("tcache_small_bins")
    if bins is not None:
        if not 0 < bins <= _TCACHE_BINS:
            return 0
        usual += [bins == _TCACHE_BINS, 0 < value["tcache_count"] <= _MOST_CACHED]
    return 1 + sum(usual)


def _bytes(words: NDArray[np.uint64], index: int, struct: CStruct, pointer_size: int) -> bytes:
    part = words[index : index + struct.size // pointer_size]
    return part.astype(f"u{pointer_size}").tobytes()
