"""Where the function that an address lies in begins and ends, by the table for unwinders (.eh_frame_hdr): stripped
programs have it too."""

from __future__ import annotations

import struct
from bisect import bisect_right
from functools import lru_cache

from gdbheap.errors import MemoryFault
from gdbheap.process.images.elf_image import read_image
from gdbheap.process.process import Module, Process

_PT_GNU_EH_FRAME = 0x6474E550
# Version 1, and how the table is encoded: pcrel | sdata4, udata4, datarel | sdata4, as every linker writes it.
_HEAD = bytes((1, 0x1B, 0x03, 0x3B))
_MOST_ENTRIES = 1 << 20


def function_bounds(process: Process, address: int) -> tuple[int, int] | None:
    """Return [start, end) of the function (the padding behind it included), or None where no table tells."""
    for module in process.modules:
        segment = next((each for each in module.segments if each.start <= address < each.end), None)
        if segment is None:
            continue
        starts = _starts(process, module)
        index = bisect_right(starts, address)
        if not index or "x" not in segment.permissions:
            return None
        return starts[index - 1], min([segment.end, *starts[index : index + 1]])
    return None


def _starts(process: Process, module: Module) -> tuple[int, ...]:
    """Return the starts of the module's functions in order; () where it has no table, or one of another kind."""
    image = read_image(process, module)
    header = image.find(_PT_GNU_EH_FRAME) if image is not None else None
    if header is None:
        return ()
    try:
        head = process.memory.read(header.address, 12)
        count = int.from_bytes(head[8:], "little")
        if head[:4] != _HEAD or not 0 < count <= min(_MOST_ENTRIES, header.size // 8):
            return ()
        return _decoded(process.memory.read(header.address + 12, 8 * count), header.address)
    except MemoryFault:
        return ()


@lru_cache(maxsize=4)
def _decoded(table: bytes, base: int) -> tuple[int, ...]:
    return tuple(sorted(base + start for start, _ in struct.iter_unpack("<ii", table)))
