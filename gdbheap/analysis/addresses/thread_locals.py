"""Thread-local storage: which module's variables, and whose, lie at an address."""

from __future__ import annotations

from gdbheap.glibc.locate.thread_tls import find_block, static_place
from gdbheap.lazy import dataclass
from gdbheap.process.images.elf_headers import PT_TLS
from gdbheap.process.images.elf_image import read_image
from gdbheap.process.images.link_map import TlsPlace, find_tls, link_maps
from gdbheap.process.process import Module, Process
from gdbheap.process.threads.thread_pointers import find_thread_pointers
from gdbheap.process.threads.thread_stacks import control_blocks


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
    controls = control_blocks(process, pointers)
    places = [(module, place) for module in process.modules for place in [_place(process, module)] if place is not None]
    found = []
    for thread in process.threads:
        pointer = pointers.get(thread.lwp)
        if pointer is None:
            continue
        control = controls.get(thread.lwp)
        if control is not None:
            end = (
                pointer + process.machine.thread_head
                if process.machine.tls_above
                else pointer + process.machine.thread_record
            )
            found.append(ThreadStorage(control, end, thread.number, None))
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
        return static_place(process, segment)
    return place
