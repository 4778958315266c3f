"""Where malloc's code is in a libc whose symbol table is stripped: around the functions that it exports."""

from __future__ import annotations

from collections.abc import Sequence

from gdbheap.glibc.locate.find_libc import Libc

# All of malloc.c is one piece of code: the functions that only it calls come first, the exported ones behind them.
_EXPORTED = ("malloc", "free", "calloc", "realloc")
_BEFORE, _BEHIND = 0x4000, 0x1000


def malloc_code(libcs: Sequence[Libc]) -> tuple[range, ...]:
    """Return the addresses that malloc's functions have, rather too many than too few; () where no symbol tells."""
    found = []
    for libc in libcs:
        known = [address for address in map(libc.address, _EXPORTED) if address is not None]
        if len(known) == len(_EXPORTED):
            found.append(range(min(known) - _BEFORE, max(known) + _BEHIND))
    return tuple(found)
