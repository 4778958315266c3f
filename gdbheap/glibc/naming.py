"""What arenas, free lists, flags and places in lists are called, the same in every command."""

from __future__ import annotations

from collections.abc import Iterable

from gdbheap.glibc.chunk_table import FLAG_MASK, IS_MMAPPED, MMAPPED_ARENA, NON_MAIN_ARENA, PREV_INUSE, Chunk
from gdbheap.glibc.heap_view import Bin, HeapView

_LETTERS = (("A", NON_MAIN_ARENA), ("M", IS_MMAPPED), ("P", PREV_INUSE))
_FLAGS = tuple("".join(letter if flags & bit else "-" for letter, bit in _LETTERS) for flags in range(8))


def arena_name(arena: int) -> str:
    """Return the name of a value of the table's `arena` column: "main", "1", ..., "mmapped"."""
    return "mmapped" if arena == MMAPPED_ARENA else str(arena) if arena else "main"


def flag_letters(flags: int) -> str:
    """Return the size field's flags as letters: A (NON_MAIN_ARENA), M (IS_MMAPPED), P (PREV_INUSE); "-" for a clear
    one."""
    return _FLAGS[flags & FLAG_MASK]


def place_of(view: HeapView, chunk: Chunk) -> str:
    """Return where a free chunk is: "tcache[30] 3/7" (1 is what malloc takes next); "" where no list names it."""
    return places_at(view, [chunk.address])[0]


def places_at(view: HeapView, addresses: Iterable[int]) -> list[str]:
    """Return the same for each of the chunks whose headers are at these addresses."""
    names: dict[int, tuple[str, int, int]] = {}
    found = []
    for number in map(view.numbers().get, addresses):
        if number is None:
            found.append("")
            continue
        index = view.list_of(number)
        if index not in names:
            each = view.bins[index]
            names[index] = short_name(each), len(each.chunks), view.first_of(index) - 1
        name, count, before = names[index]
        found.append(f"{name} {number - before}/{count}")
    return found


def list_name(each: Bin) -> str:
    """Return a list's whole name: "tcache[0] of thread 1 (LWP 812)", "small[5] of arena main"."""
    return f"{short_name(each)} of {owner_name(each)}"


def short_name(each: Bin) -> str:
    """Return the name without whose it is: "tcache[0]"."""
    return f"{each.kind}[{each.index}]"


def owner_name(each: Bin) -> str:
    """Return whose list it is: "arena main", "thread 2 (LWP 812)"."""
    if each.arena is not None:
        return f"arena {arena_name(each.arena)}"
    return f"LWP {each.thread}" if each.thread_number is None else f"thread {each.thread_number} (LWP {each.thread})"
