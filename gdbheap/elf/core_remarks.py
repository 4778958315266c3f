"""What a reader must know about a core before believing what it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gdbheap.counted import counted
from gdbheap.elf.core_memory import CoreMemory
from gdbheap.elf.core_notes import MAX_THREADS, Notes
from gdbheap.machine.machines import KNOWN, machine_name
from gdbheap.process.images.elf_headers import ElfHeader

# A process may have a million mappings where the administrator allows it (vm.max_map_count).
MAX_HEADERS = 1 << 20

_Ranges = Sequence[tuple[int, int]]


def remarks(header: ElfHeader, claimed: int, notes: Notes, machine_known: bool) -> Iterator[str]:
    """Yield what the headers and notes do not tell; `claimed` is how many headers the core says that it has."""
    if not machine_known:
        name = machine_name(header.machine, header.pointer_size)
        yield f"the core is of another machine, {name}: its memory is read, its registers are not (only {KNOWN})"
    elif not notes.threads:
        yield "the core has no thread notes: no registers"
    if header.count < claimed:
        why = "claims more headers than are read" if header.count == MAX_HEADERS else "is cut off within its headers"
        yield f"the core {why}: {claimed - header.count} of {claimed} segments are unknown"
    if len(notes.threads) == MAX_THREADS:
        yield f"the core has more threads than are read: the first {MAX_THREADS:,} are shown"


def remarks_on_missing(total: int, cut_off: _Ranges, missing: _Ranges) -> Iterator[str]:
    """Yield what is missing of `total` bytes: what the file's end has `cut_off`, and what else gdb could not read."""
    if cut_off:
        lost = sum(end - start for start, end in cut_off)
        yield (
            f"the core is truncated: {lost:,} of {total:,} bytes of memory are missing, in "
            f"{counted(len(cut_off), 'range')} between {cut_off[0][0]:#x} and {cut_off[-1][1]:#x}"
        )
    unread = [each for each in missing if each not in cut_off]
    if unread:
        lost = sum(end - start for start, end in unread)
        yield (
            f"{lost:,} bytes of memory are missing: gdb could not read them when it made this core (threads' stacks "
            "since glibc 2.42, before "
            f"gdb 18), in {counted(len(unread), 'range')} between {unread[0][0]:#x} and {unread[-1][1]:#x}"
        )


def remarks_on_filter(memory: CoreMemory, dumped: bool) -> Iterator[str]:
    """Yield what a filter has left out; `dumped`: the core has some of the memory that the process wrote."""
    if not dumped:
        yield "the core holds no memory that the process wrote (bit 0 of coredump_filter is clear)"
    elif memory.lacks_headers:
        yield (
            "the core has no ELF headers (bit 4 of coredump_filter is clear): a file on this machine is taken for the "
            "one that ran if its layout and its dynamic section are the same"
        )
