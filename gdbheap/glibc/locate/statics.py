"""The static variables of malloc's that are in no struct, by their symbols."""

from __future__ import annotations

from gdbheap.errors import MemoryFault
from gdbheap.glibc.locate.find_libc import Libc
from gdbheap.process.process import Process

# next_to_use and narenas_limit are static within functions: their symbols have a number behind the name
# (next_to_use.5).
NAMES = (
    *("narenas", "narenas_limit", "next_to_use", "free_list", "aligned_heap_area", "perturb_byte"),
    *("__libc_single_threaded", "__malloc_hook", "__free_hook"),
)


def read_statics(process: Process, libc: Libc) -> dict[str, int]:
    """Return the values of NAMES as far as symbols tell where they are, and memory can be read there."""
    found = {}
    for name in NAMES:
        symbol, address = libc.symbols.symbols.get(name), libc.address(name)
        if symbol is None or address is None or not 0 < symbol.size <= 8:
            continue
        try:
            found[name] = int.from_bytes(process.memory.read(address, symbol.size), "little")
        except MemoryFault:
            continue
    return found
