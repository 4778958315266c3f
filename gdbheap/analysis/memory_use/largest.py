"""The largest mappings that are none of malloc's, by what is in memory of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from gdbheap.analysis.mappings.annotate import AnnotatedVMA
from gdbheap.lazy import dataclass
from gdbheap.process.live.proc_maps import ResidentBytes

_MALLOC = frozenset({"main_heap", "arena_heap", "mmapped_chunk"})


@dataclass(frozen=True)
class LargeMapping:
    """[start, end) of a mapping, how much of it is `resident`, what it is and the file that it is of ("": none)."""

    start: int
    end: int
    resident: int
    what: str
    path: str


def largest_mappings(
    mappings: Iterable[AnnotatedVMA], resident: Mapping[int, ResidentBytes], most: int
) -> list[LargeMapping]:
    """Return the `most` largest, but for malloc's and for files that nobody here writes."""
    held = [(each, resident[each.vma.start].all) for each in mappings if each.vma.start in resident]
    found = (
        LargeMapping(each.vma.start, each.vma.end, size, each.what, each.vma.path)
        for each, size in sorted(held, key=lambda pair: -pair[1])
        if size and (each.vma.writable or not each.vma.is_file) and any(part.kind not in _MALLOC for part in each.parts)
    )
    return list(islice(found, most))
