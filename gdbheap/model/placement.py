"""Where Linux on x86 puts a new mapping that nobody gave a place: the one rule for both models, malloc's kernel and the address space."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gdbheap.model.memory import PAGE

HUGE_PAGE = 2 << 20

# What is taken, as (start, end) from high addresses to low, guard gaps counted in.
Taken = Callable[[], Iterator[tuple[int, int]]]


def page_up(value: int) -> int:
    """Return `value` rounded up to whole pages."""
    return (value + PAGE - 1) & -PAGE


def place_mapping(taken: Taken, size: int, low: int, high: int, aligned_from: int | None = None) -> int | None:
    """Return where a mapping of `size` bytes goes: top-down, into the highest hole of [low, high) that fits; None where none does.

    `aligned_from`: whole multiples of 2 MiB are put so that this address and theirs are as far past such a multiple
    (mirrors __thp_get_unmapped_area(): a hole that is 2 MiB larger, then up to the boundary). None: nothing is aligned.
    """
    if aligned_from is not None and size % HUGE_PAGE == 0:
        address = highest_gap(taken(), size + HUGE_PAGE, low, high)
        if address is not None:
            return address + ((aligned_from - address) % HUGE_PAGE or HUGE_PAGE)
    return highest_gap(taken(), size, low, high)


def highest_gap(taken: Iterator[tuple[int, int]], size: int, low: int, high: int) -> int | None:
    """Return the start of the highest hole of `size` bytes in [low, high), at its upper end (mirrors unmapped_area_topdown())."""
    top = high
    for start, end in taken:
        if end <= top - size and top - size >= low:
            return top - size
        # The guard gap of one counts against the hole right below it alone, as in the kernel: it may reach over the next.
        top = min(high, start)
    return top - size if top - size >= low else None
