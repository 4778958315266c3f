"""The parts of the resident memory: what they are called, and how they are drawn."""

from __future__ import annotations

from collections.abc import Sequence

from gdbheap.pictures.bars_svg import stacked_svg
from gdbheap.pictures.svg import Svg

WORDS = {
    "in_use": "blocks in use",
    "mmapped_in_use": "mmapped blocks in use",
    "tcache": "free, in tcaches",
    "fastbin": "free, in fastbins",
    "unsorted": "free, in unsorted bins",
    "small": "free, in small bins",
    "large": "free, in large bins",
    "top": "top of the arenas",
    "malloc_own": "malloc's own chunks, fenceposts, gaps",
    "around": "around the chunks: arenas, rests of pages",
    "anonymous": "other anonymous memory, not malloc's",
    "stacks": "stacks",
    "module_data": "data of the program and its libraries",
    "files": "files: code and read-only data",
    "shared": "shared memory",
    "other": "other",
}
# The class that each part is drawn in.
_CLASSES = {
    "in_use": "part0",
    "mmapped_in_use": "part1",
    "tcache": "part2",
    "fastbin": "part2",
    "unsorted": "part2",
    "small": "part2",
    "large": "part2",
    "top": "part3",
    "malloc_own": "part4",
    "around": "part4",
    "anonymous": "part5",
    "stacks": "part6",
    "module_data": "part7",
    "files": "part8",
    "shared": "part9",
    "other": "part9",
}


def residency_svg(sizes: Sequence[tuple[str, int]], of_core: bool) -> Svg:
    """Draw the parts (name, bytes) as one stacked bar: what is resident, or what a core has."""
    title = "Memory that is in the core" if of_core else "Resident memory"
    return stacked_svg(title, [(_CLASSES[name], WORDS[name], size) for name, size in sizes if size > 0])
