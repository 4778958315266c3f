"""How far below the thread pointer thread-local storage reaches: glibc puts it at the end of each thread's stack."""

from __future__ import annotations

from gdbheap.process.images.elf_headers import PT_TLS
from gdbheap.process.images.elf_image import read_image
from gdbheap.process.images.link_map import find_tls
from gdbheap.process.process import Process


def tls_below(process: Process) -> int:
    """Return how many bytes below the thread pointer the variables of the modules take that were loaded at the start
    (static TLS; the psABI's variant II); 0 on machines that have them above, and where that is not known."""
    if process.machine.tls_above:
        return 0
    farthest = 0
    for module in process.modules:
        image = read_image(process, module)
        segment = image.find(PT_TLS) if image is not None else None
        if image is None or segment is None:
            continue
        place = find_tls(process, image)
        if place is not None:
            farthest = max(farthest, place.offset or 0)
        elif module == process.main:
            # A static program's own are the first: they end at the thread pointer, aligned.
            farthest = max(farthest, -(-segment.size // max(segment.alignment, 1)) * max(segment.alignment, 1))
    return farthest
