"""The maps of this stop's arenas, as the command and the report share them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.session.target import Key, Target

if TYPE_CHECKING:
    from gdbheap.analysis.chunk_use.heap_map import HeapMap
    from gdbheap.process.live.resident_pages import ResidentPages

_PAGES: Key[tuple[ResidentPages | None]] = Key("pages in memory")


def arena_map(target: Target, arena: int, most: int) -> HeapMap:
    """Return the map of an arena in about `most` cells. Of a core, pages that hold anything but zeros stand for those
    in memory."""
    from gdbheap.analysis.chunk_use.heap_map import heap_map  # kept out of gdb's start

    return heap_map(target.heap(), arena, _pages(target), most)


def largest_arenas(target: Target) -> list[int]:
    """Return the arenas that have any chunk, those with the most memory first."""
    arenas = [each for each in target.heap().arenas if any(region.end > region.start for region in each.regions)]
    return [each.index for each in sorted(arenas, key=lambda each: -sum(r.end - r.start for r in each.regions))]


def _pages(target: Target) -> ResidentPages | None:
    from gdbheap.process.live.resident_pages import pages_in_core, resident_pages

    def read() -> ResidentPages | None:
        return pages_in_core(target.process) if target.process.kind == "core" else resident_pages(target.process)

    return target.keep(_PAGES, lambda _: (read(),))[0]
