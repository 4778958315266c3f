"""What libc tells debuggers of its threads, on every machine and without symbols: the descriptors that it exports for
libthread_db (nptl_db/structs.def), and the lists of all struct pthreads that the dynamic linker keeps since glibc 2.34.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gdbheap.errors import MemoryFault
from gdbheap.lazy import dataclass
from gdbheap.process.dynamic_symbols import DynamicSymbols
from gdbheap.process.images.auxv import AT_BASE
from gdbheap.process.images.elf_image import read_image
from gdbheap.process.process import Module, Process

_MOST_IN_LIST = 1 << 16
# sizeof(struct pthread) is a multiple of its alignment (64 bytes, later 16), and larger than this.
_ALIGNMENT, _LEAST = 16, 0x400


@dataclass(frozen=True)
class StackLists:
    """The struct pthreads of threads by where their stacks come from: made by libc (`used`), given by the program, as
    the main thread's (`given`), and what is kept of ended threads for new ones (`kept`)."""

    used: tuple[int, ...]
    given: tuple[int, ...]
    kept: tuple[int, ...]


def record_distance(process: Process) -> int | None:
    """Return how far the thread pointer is above the start of struct pthread, None where that is not known. (x86 has it
    in the place itself.)"""
    if not process.machine.tls_above:
        return 0
    for symbols in _libcs(process):
        size = _number(process, symbols, "_thread_db_sizeof_pthread", 0)
        if size is not None and _LEAST <= size <= process.machine.thread_record:
            # (What is below the thread pointer of tcbhead_t lies between them.)
            return size + max(-process.machine.thread_vector, 0)
    return _distance_by_ids(process)


def stack_lists(process: Process) -> StackLists | None:
    """Return the lists, None where there are none (before glibc 2.34, in a static program), or one of them cannot be
    followed from end to end."""
    base = process.auxv.get(AT_BASE, 0)
    linker = next((each for each in process.modules if base and each.load_base == base), None)
    records = _symbols(process, linker) if linker is not None else None
    start = records.address("_rtld_global") if records is not None else None
    if start is None:
        return None
    for symbols in _libcs(process):
        used = _number(process, symbols, "_thread_db_rtld_global__dl_stack_used", 2)
        given = _number(process, symbols, "_thread_db_rtld_global__dl_stack_user", 2)
        if used is not None and given is not None:
            # struct rtld_global has _dl_stack_cache right behind _dl_stack_user.
            heads = (start + used, start + given, start + given + 2 * process.pointer_size)
            found = [_followed(process, head) for head in heads]
            lists = [tuple(each) for each in found if each is not None]
            return StackLists(*lists) if len(lists) == len(found) else None
    return None


def list_of(process: Process, control: int) -> int:
    """Return where struct pthread has its links: right before its tid."""
    return control + process.machine.thread_id - 2 * process.pointer_size


def vector_of(process: Process, pointer: int) -> int:
    """Return the thread's dtv (entries of two words, that of module 0 counts); MemoryFault."""
    vector = process.words.read(pointer + process.machine.thread_vector)
    return process.machine.untagged(vector)


def _followed(process: Process, head: int) -> list[int] | None:
    """Return the struct pthreads of a list, None where it does not come back to its head, or not both ways."""
    before, found = head, list[int]()
    for _ in range(_MOST_IN_LIST):
        try:
            node = process.words.read(before)
            if process.words.read(node + process.pointer_size) != before:
                return None
        except (MemoryFault, OverflowError):
            return None
        if node == head:
            return found
        found.append(node - list_of(process, 0))
        before = node
    return None


def _libcs(process: Process) -> Iterator[DynamicSymbols]:
    """Yield the modules that may be libc, by their names the likely ones first. (To glibc 2.33 its threads are in
    libpthread.)"""
    for module in sorted(process.modules, key=lambda each: not _is_likely(each)):
        symbols = _symbols(process, module)
        if symbols is not None:
            yield symbols


def _is_likely(module: Module) -> bool:
    return module.path.rpartition("/")[2].startswith(("libc.", "libc-2", "libpthread"))


def _symbols(process: Process, module: Module) -> DynamicSymbols | None:
    image = read_image(process, module)
    return None if image is None else DynamicSymbols(process, image)


def _number(process: Process, symbols: DynamicSymbols, name: str, index: int) -> int | None:
    """Return a number out of a descriptor: alone a size; of three the last is an offset."""
    at = symbols.address(name)
    try:
        return None if at is None else int.from_bytes(process.memory.read(at + 4 * index, 4), "little")
    except MemoryFault:
        return None


def _distance_by_ids(process: Process) -> int | None:
    """Return the distance at which all threads have their own ids, with links before them; None where none or more than
    one is so."""
    pointer_size, found = process.pointer_size, Counter[int]()
    threads = [each for each in process.threads if each.thread_pointer]
    for thread in threads:
        for distance in range(_LEAST, process.machine.thread_record + 1, _ALIGNMENT):
            control = (thread.thread_pointer or 0) - distance
            try:
                lwp = int.from_bytes(process.memory.read(control + process.machine.thread_id, 4), "little")
                after, before = process.words.read_many(list_of(process, control), 2)
                linked = process.words.read(after + pointer_size), process.words.read(before)
            except (MemoryFault, OverflowError):
                continue
            if lwp == thread.lwp and linked == (list_of(process, control),) * 2:
                found[distance] += 1
    best = found.most_common(2)
    return best[0][0] if len(best) == 1 else None
