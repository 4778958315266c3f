"""glibc's random guards, which are no pointers though, in 32 bits above all, one may look like an address in a block:
each thread's control block has them, and every frame that is protected the first."""

from __future__ import annotations

from dataclasses import replace

from gdbheap.allocators.blocks import Blocks
from gdbheap.analysis.pointers.graph import Pointers
from gdbheap.errors import MemoryFault
from gdbheap.lazy import np
from gdbheap.process.images.auxv import AT_RANDOM
from gdbheap.process.process import Process


def without_guards(found: Pointers, blocks: Blocks, process: Process) -> Pointers:
    """Return the words without those that are one of the guards."""
    value = blocks.start[found.target] + found.offset
    kept = np.ones(len(found), np.bool_)
    for guard in _guards(process):
        kept &= value != np.uint64(guard)
    if kept.all():
        return found
    return replace(found, place=found.place[kept], target=found.target[kept], offset=found.offset[kept])


def _guards(process: Process) -> set[int]:
    """Return the kernel's random words (AT_RANDOM) and what glibc makes of them: the stack guard is the first with a
    zero for its lowest byte (_dl_setup_stack_chk_guard), the pointer guard the second."""
    size = process.pointer_size
    try:
        data = process.memory.read(process.auxv[AT_RANDOM], 2 * size)
    except (KeyError, MemoryFault):
        return set()
    first, second = (int.from_bytes(data[at : at + size], "little") for at in (0, size))
    return {first, first & ~0xFF, second}
