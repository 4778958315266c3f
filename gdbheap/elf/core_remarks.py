"""What a reader must know about a core before believing what it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gdbheap.elf.core_memory import CoreMemory
from gdbheap.elf.core_notes import MAX_THREADS, Notes
from gdbheap.machine.machines import KNOWN, machine_name
from gdbheap.process.fact import Fact
from gdbheap.process.images.elf_headers import ElfHeader
from gdbheap.process.remarks import (
    CoreTruncated,
    HeadersLeftOut,
    NothingWritten,
    NoThreads,
    OtherMachine,
    SegmentsUnread,
    ThreadsUnread,
    UnreadByGdb,
)

# A process may have a million mappings where the administrator allows it (vm.max_map_count).
MAX_HEADERS = 1 << 20

_Ranges = Sequence[tuple[int, int]]


def remarks(header: ElfHeader, claimed: int, notes: Notes, machine_known: bool) -> Iterator[Fact]:
    """Yield what the headers and notes do not tell; `claimed` is how many headers the core says that it has."""
    if not machine_known:
        yield OtherMachine(machine_name(header.machine, header.pointer_size), KNOWN)
    elif not notes.threads:
        yield NoThreads()
    if header.count < claimed:
        yield SegmentsUnread(claimed - header.count, claimed, header.count != MAX_HEADERS)
    if len(notes.threads) == MAX_THREADS:
        yield ThreadsUnread(MAX_THREADS)


def remarks_on_missing(total: int, cut_off: _Ranges, missing: _Ranges) -> Iterator[Fact]:
    """Yield what is missing of `total` bytes: what the file's end has `cut_off`, and what else gdb could not read."""
    if cut_off:
        yield CoreTruncated(_bytes(cut_off), total, len(cut_off), cut_off[0][0], cut_off[-1][1])
    unread = [each for each in missing if each not in cut_off]
    if unread:
        yield UnreadByGdb(_bytes(unread), len(unread), unread[0][0], unread[-1][1])


def remarks_on_filter(memory: CoreMemory, dumped: bool) -> Iterator[Fact]:
    """Yield what a filter has left out; `dumped`: the core has some of the memory that the process wrote."""
    if not dumped:
        yield NothingWritten()
    elif memory.lacks_headers:
        yield HeadersLeftOut()


def _bytes(ranges: _Ranges) -> int:
    return sum(end - start for start, end in ranges)
