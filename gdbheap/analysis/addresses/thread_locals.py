"""Thread-local storage: which module's variables, and whose, lie at an address."""

from __future__ import annotations

from dataclasses import dataclass

from gdbheap.glibc.locate.thread_tls import find_block
from gdbheap.process.images.elf_headers import PT_TLS
from gdbheap.process.images.elf_image import read_image
from gdbheap.process.images.link_map import TlsPlace, find_tls, link_maps
from gdbheap.process.process import Module, Process
from gdbheap.process.threads.thread_pointers import find_thread_pointers


@dataclass(frozen=True)
class ThreadStorage:
    """[start, end): the thread-local variables of a module (None: libc's own record of the thread, struct pthread)
    in thread `number`."""

    start: int
    end: int
    number: int
    module: Module | None


def find_thread_storage(process: Process) -> tuple[ThreadStorage, ...]:
    """Return all of it that can be found, of every thread."""
    pointers = find_thread_pointers(process)
    places = [(module, place) for module in process.modules for place in [_place(process, module)] if place is not None]
    found = []
    for thread in process.threads:
        pointer = pointers.get(thread.lwp)
        if pointer is None:
            continue
        found.append(ThreadStorage(pointer, pointer + process.machine.thread_record, thread.number, None))
        for module, place in places:
            block = find_block(process, thread, pointer, place)
            if block is not None:
                found.append(ThreadStorage(block.start, block.end, thread.number, module))
    return tuple(found)


def _place(process: Process, module: Module) -> TlsPlace | None:
    image = read_image(process, module)
    segment = image.find(PT_TLS) if image is not None else None
    if image is None or segment is None:
        return None
    place = find_tls(process, image)
    if place is None and module == process.main and not any(link_maps(process)):
        # mirrors __libc_setup_tls(): a static program's block ends at the thread pointer, its size rounded up to its
        # alignment
        alignment = max(segment.alignment, 1)
        return TlsPlace(-(-segment.size // alignment) * alignment, 1, segment.size)
    return place
