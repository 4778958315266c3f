"""Where malloc's functions begin, for whoever wants to see them called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gdbheap.glibc.locate.find_libc import Libc
from gdbheap.process.dynamic_symbols import DynamicSymbols
from gdbheap.process.process import Process
from gdbheap.process.recording import AllocationFunction

# What each is asked for is the product of these arguments; posix_memalign stores what it returns. operator new, strdup
# and the like call one of these; reallocarray calls realloc.
_FUNCTIONS: tuple[tuple[str, tuple[int, ...], int | None], ...] = (
    ("malloc", (0,), None),
    ("calloc", (0, 1), None),
    ("realloc", (1,), None),
    ("memalign", (1,), None),
    ("aligned_alloc", (1,), None),
    ("posix_memalign", (2,), 0),
    ("valloc", (0,), None),
    ("pvalloc", (0,), None),
)


def allocation_functions(process: Process, libcs: Iterable[Libc]) -> Iterator[AllocationFunction]:
    """Yield the functions of the first of the libcs that tells of them, each address once."""
    for libc in libcs:
        symbols = None if libc.image is None or libc.static else DynamicSymbols(process, libc.image)
        seen: set[int] = set()
        for name, sizes, result_at in _FUNCTIONS:
            address = libc.address(name)
            if address is None and symbols is not None:
                address = symbols.address(name)
            if address is not None and address not in seen:
                seen.add(address)
                yield AllocationFunction(name, address, sizes, result_at)
        if seen:
            return
