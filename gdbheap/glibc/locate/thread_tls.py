"""Each thread's TLS block of libc: where it is, and its words."""

from __future__ import annotations

from gdbheap.errors import MemoryFault
from gdbheap.glibc.locate.find_libc import Libc
from gdbheap.lazy import dataclass
from gdbheap.process.images.elf_headers import PT_TLS
from gdbheap.process.images.elf_image import Segment
from gdbheap.process.images.link_map import TlsPlace, find_tls
from gdbheap.process.process import Process, Thread
from gdbheap.process.threads.thread_db import vector_of


@dataclass(frozen=True)
class ThreadBlock:
    """A thread's TLS block of libc, [start, end); `exact` False where only what surely contains it is known."""

    thread: Thread
    thread_pointer: int
    start: int
    end: int
    exact: bool


# How far from the thread pointer a libc that is not found by the linker's own record is looked for.
SCAN = 0x2000
# libc's own block is some 0x90 bytes; a static program's has all of the program's thread-local variables.
MAX_BLOCK = 1 << 20


def find_block(process: Process, thread: Thread, pointer: int, place: TlsPlace | None) -> ThreadBlock | None:
    """Return the thread's block of libc, None where it has none (yet). `pointer` is its thread pointer."""
    above = process.machine.tls_above
    if place is None:
        return ThreadBlock(
            thread, pointer, *((pointer, pointer + SCAN) if above else (pointer - SCAN, pointer)), exact=False
        )
    if place.offset is None:
        start = _from_vector(process, pointer, place.module_id)
    else:
        start = pointer + place.offset if above else pointer - place.offset
    return (
        None if start is None else ThreadBlock(thread, pointer, start, start + min(place.size, MAX_BLOCK), exact=True)
    )


def tls_place(process: Process, libc: Libc) -> TlsPlace | None:
    """Return where libc's TLS block lies in every thread, or None where nothing says so."""
    if libc.image is None:
        return None
    if not libc.static:
        return find_tls(process, libc.image)
    segment = libc.image.find(PT_TLS)
    return None if segment is None else static_place(process, segment)


def static_place(process: Process, segment: Segment) -> TlsPlace:
    """Return where a static program's TLS block lies: it mirrors __libc_setup_tls()."""
    # Below the thread pointer its size, above it what tcbhead_t has there is rounded up to its alignment.
    size = process.machine.thread_head if process.machine.tls_above else segment.size
    alignment = max(segment.alignment, 1)
    return TlsPlace(-(-size // alignment) * alignment, 1, segment.size)


def _from_vector(process: Process, pointer: int, module_id: int) -> int | None:
    """Return the block that the thread's DTV (entries of two words, the pointer first) names for a module; None: not
    allocated."""
    words, pointer_size = process.words, process.pointer_size
    try:
        vector = vector_of(process, pointer)
        # dtv[-1] counts the entries that there is room for
        if not module_id <= words.read(vector - 2 * pointer_size):
            return None
        start = words.read(vector + 2 * pointer_size * module_id)
    except (MemoryFault, OverflowError):
        return None
    return start if 0 < start < (1 << 8 * pointer_size) - 1 else None
