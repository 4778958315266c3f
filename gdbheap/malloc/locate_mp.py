"""mp_ without a symbol: by the values that its members have from the start, or by where it must say that the heap begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gdbheap.lazy import np
from gdbheap.malloc import builtin_structs
from gdbheap.process.cstruct import CStruct, StructValue
from gdbheap.process.process import Process
from gdbheap.process.word_windows import windows

if TYPE_CHECKING:
    from numpy.typing import NDArray

# mirrors the initialiser of mp_: DEFAULT_TOP_PAD, DEFAULT_MMAP_THRESHOLD and DEFAULT_TRIM_THRESHOLD, DEFAULT_MMAP_MAX, NARENAS_FROM_NCORES(1)
_DEFAULT_SIZE = 0x20000
_DEFAULT_MMAPS = 0x10000
_ARENA_TEST = {8: 8, 4: 2}
_TCACHE_BINS = 64


@dataclass(frozen=True)
class FoundMp:
    """A mp_: its address, its struct, whether its sbrk_base is known to be right, and whether malloc has not been used yet."""

    address: int
    malloc_par: CStruct
    heap_start_fits: bool
    untouched: bool


def find_mps(
    process: Process, ranges: Iterable[tuple[int, int]], fastbins: bool, heap_start: int | None
) -> list[FoundMp]:
    """Return every place in the ranges that looks like mp_.

    `fastbins` tells whether arenas have them (which rules generations out); `heap_start` is where sbrk_base must point, if that is known.
    """
    structs = [each for each in builtin_structs.malloc_pars(process.word) if ("thp_mode" in each) != fastbins]
    ranges = list(ranges)
    for looks_right in (_has_defaults, _has_heap_start):
        found: dict[int, FoundMp] = {}
        for start, words in windows(process, ranges, max(each.size for each in structs)):
            for index, struct in looks_right(process.word, words, structs, heap_start):
                address = start + index * process.word
                value = StructValue(struct, address, _bytes(words, index, struct, process.word))
                fits = value["sbrk_base"] == heap_start
                if _is_sane(value, heap_start) and (address not in found or fits > found[address].heap_start_fits):
                    found[address] = FoundMp(address, struct, fits, not value["sbrk_base"] and not value["max_n_mmaps"])
        if found:
            fitting = [each for each in found.values() if each.heap_start_fits]
            return fitting or list(found.values())
    return []


_Hits = Iterator[tuple[int, CStruct]]


def _has_defaults(word: int, words: NDArray[np.uint64], structs: list[CStruct], _: int | None) -> _Hits:
    """Yield (index, struct) where top_pad, arena_test, arena_max and n_mmaps_max are what they are unless someone tunes them."""
    if len(words) < 32:
        return
    fits = (words[1:-4] == _DEFAULT_SIZE) & (words[3:-2] == _ARENA_TEST[word]) & (words[4:-1] == 0)
    fits &= (words[:-5] >= _DEFAULT_SIZE) & (words[2:-3] >= _DEFAULT_SIZE)
    for index in np.flatnonzero(fits).tolist():
        for struct in structs:
            data = _bytes(words, index, struct, word)
            if len(data) == struct.size and StructValue(struct, 0, data)["n_mmaps_max"] == _DEFAULT_MMAPS:
                yield index, struct


def _has_heap_start(word: int, words: NDArray[np.uint64], structs: list[CStruct], heap_start: int | None) -> _Hits:
    """Yield (index, struct) where sbrk_base is the heap's start, whatever the tunables are."""
    if not heap_start:
        return
    for place in np.flatnonzero(words == np.uint64(heap_start)).tolist():
        for struct in structs:
            index = place - struct.offset("sbrk_base") // word
            if index >= 0 and len(_bytes(words, index, struct, word)) == struct.size:
                yield index, struct


def _is_sane(value: StructValue, heap_start: int | None) -> bool:
    """Whether the members agree with each other and with this generation."""
    if value["n_mmaps"] > value["max_n_mmaps"] or value["mmapped_mem"] > value["max_mmapped_mem"]:
        return False
    if value["no_dyn_threshold"] > 1 or value["n_mmaps_max"] > 1 << 30:
        return False
    if heap_start is not None and value["sbrk_base"] not in (0, heap_start):
        return False
    bins = value.get("tcache_bins") if "tcache_bins" in value else value.get("tcache_small_bins")
    # From 2.42 the largest cached *chunk* counts, before it the largest request: the members are called differently for it.
    return bins is None or (bins <= _TCACHE_BINS and (bins == _TCACHE_BINS or value["n_mmaps_max"] != _DEFAULT_MMAPS))


def _bytes(words: NDArray[np.uint64], index: int, struct: CStruct, word: int) -> bytes:
    part = words[index : index + struct.size // word]
    return (part if word == 8 else part.astype(np.uint32)).tobytes()
