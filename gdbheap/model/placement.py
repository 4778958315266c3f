"""Where Linux puts a new mapping that nobody gave a place: the one rule for both models, malloc's kernel and
the address space."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from types import MappingProxyType

# What is taken, as (start, end) from high addresses to low.
Taken = Callable[[], Iterator[tuple[int, int]]]
_NO_GUARDS: Mapping[int, int] = MappingProxyType({})


def rounded_up(value: int, page_size: int) -> int:
    """Return `value` rounded up to whole pages."""
    return (value + page_size - 1) & -page_size


def huge_page(page_size: int) -> int:
    """Return the size of a huge page, which a whole page of 8-byte entries maps: 2 MiB where pages are 4 KiB."""
    return page_size * page_size // 8


def place_mapping(
    taken: Taken,
    size: int,
    low: int,
    high: int,
    aligned: tuple[int, int] | None = None,
    guards: Mapping[int, int] = _NO_GUARDS,
) -> int | None:
    """Return where a mapping of `size` bytes goes: top-down, into the highest hole of [low, high) that fits; None where
    none does.

    `aligned`: (from, huge page): whole multiples of a huge page are put so that the address `from` and theirs are as
    far past such a multiple (mirrors __thp_get_unmapped_area(): a hole that is a huge page larger, then up to the
    boundary). None: nothing is aligned.
    `guards` are where the guard gaps begin of those that grow down, by where they start themselves.
    """
    if aligned is not None and size % aligned[1] == 0:
        start, huge = aligned
        address = highest_gap(taken(), size + huge, low, high, guards)
        if address is not None:
            return address + ((start - address) % huge or huge)
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
