"""Where Linux on x86 puts a new mapping that nobody gave a place: the one rule for both models, malloc's kernel and
the address space."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from types import MappingProxyType

from gdbheap.model.memory import PAGE

HUGE_PAGE = 2 << 20

# What is taken, as (start, end) from high addresses to low.
Taken = Callable[[], Iterator[tuple[int, int]]]
_NO_GUARDS: Mapping[int, int] = MappingProxyType({})


def page_up(value: int) -> int:
    """Return `value` rounded up to whole pages."""
    return (value + PAGE - 1) & -PAGE


def place_mapping(
    taken: Taken,
    size: int,
    low: int,
    high: int,
    aligned_from: int | None = None,
    guards: Mapping[int, int] = _NO_GUARDS,
) -> int | None:
    """Return where a mapping of `size` bytes goes: top-down, into the highest hole of [low, high) that fits; None where
    none does.

    `aligned_from`: whole multiples of 2 MiB are put so that this address and theirs are as far past such a multiple
    (mirrors __thp_get_unmapped_area(): a hole that is 2 MiB larger, then up to the boundary). None: nothing is aligned.
    `guards` are where the guard gaps begin of those that grow down, by where they start themselves.
    """
    if aligned_from is not None and size % HUGE_PAGE == 0:
        address = highest_gap(taken(), size + HUGE_PAGE, low, high, guards)
        if address is not None:
            return address + ((aligned_from - address) % HUGE_PAGE or HUGE_PAGE)
    return highest_gap(taken(), size, low, high, guards)


def highest_gap(
    taken: Iterator[tuple[int, int]], size: int, low: int, high: int, guards: Mapping[int, int] = _NO_GUARDS
) -> int | None:
    """Return the start of the highest hole of `size` bytes in [low, high), at its upper end.

    Mirrors unmapped_area_topdown(): a hole that fits, but for the guard gap of the mapping above it, makes the
    search go on below that gap, past holes that lie inside of it; one that is too small in any case does not.
    """
    above = high
    for start, end in chain(taken, ((low, low),)):
        top = min(high, above)
        if max(end, low) <= top - size:
            guard = guards.get(above, above)
            if guard >= top:
                return top - size
            high = guard
            if max(end, low) <= high - size:
                return high - size
        above = start
    return None
