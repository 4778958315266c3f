"""What a process has written, and what it has touched of files, copied while it stands still: it may run on then.

The room for it is made ready before the process is held, so that holding it takes no longer than the kernel takes to
copy pages that are there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace

from gdbheap.errors import MemoryFault
from gdbheap.process.address_space import AddressSpace
from gdbheap.process.live.copy_room import CopyRoom, room_for_copy
from gdbheap.process.live.live_memory import LiveMemory, is_private_anonymous
from gdbheap.process.live.mapped_file import may_be_device, may_be_regular_file
from gdbheap.process.live.touched_pages import Spans, TouchedPages
from gdbheap.process.live.vector_reads import read_spans
from gdbheap.process.memory import BLOCK
from gdbheap.process.process import Process

# Where a piece lies in the room, if it is not there: it was all zeros, or could not be copied.
_ZEROS, _BEHIND = -1, -2
# Of a file's mapping that may be written and is larger only the pages that the process has touched are copied: a
# database's may be most of a disk.
_LARGE_FILE = 64 << 20
# So many spans are asked for at once, and so often that the kernel gives nothing.
_TOGETHER, _MOST_REFUSED = 1 << 10, 1 << 6


class CopiedMemory:
    """Memory of a process, a copy of what it had written; what is no part of the copy is read through `behind`."""

    def __init__(self, pid: int, behind: LiveMemory) -> None:
        self._pid = pid
        self._behind = behind
        # Address, end and place in the room of each piece.
        self._pieces: list[tuple[int, int, int]] = []
        self._starts: list[int] = []
        self._data = memoryview(b"")

    def copy(self, space: AddressSpace, room: CopyRoom) -> bool:
        """Copy what a process with these mappings has written, and what it has touched of files; whether the room was
        enough for it (nothing is copied where it was not)."""
        spans, apart = self._wanted(space)
        place = room.take(sum(end - start for start, end in spans))
        if place is None:
            return False
        copied = list(self._copied(spans, room.view, place))
        zeros = _between(sorted([*spans, *apart]), space)
        self._pieces = sorted([*copied, *zeros, *((start, end, _BEHIND) for start, end in apart)])
        self._starts, self._data = [start for start, _, _ in self._pieces], room.view
        return True

    def _wanted(self, space: AddressSpace) -> tuple[Spans, Spans]:
        """Return the spans that are to be copied, in order, and those of guard pages."""
        wanted: Spans = []
        guards: Spans = []
        with TouchedPages(self._pid) as pages:
            for vma in space:
                is_file = may_be_regular_file(vma)
                if not (vma.writable or (is_file and vma.readable)) or may_be_device(vma):
                    continue
                is_sparse = is_private_anonymous(vma) or (is_file and (not vma.writable or vma.size > _LARGE_FILE))
                told = pages.of(vma) if is_sparse else None
                if told is not None:
                    wanted += told[0]
                    guards += told[1]
                elif vma.writable:
                    wanted.append((vma.start, vma.end))
        return wanted, guards

    def data_spans(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield, in order, the parts of [start, end) that may have held anything but zeros."""
        at = start
        for low, high, place in self._pieces[max(bisect_right(self._starts, start) - 1, 0) :]:
            if low >= end:
                break
            if place == _ZEROS and high > at:
                if low > at:
                    yield at, low
                at = high
        if at < end:
            yield at, end

    def read(self, address: int, size: int) -> bytes:
        if size <= 0:
            return b""
        index = bisect_right(self._starts, address) - 1
        if index >= 0:
            start, end, place = self._pieces[index]
            if address + size <= end and place != _BEHIND:
                at = place + address - start
                return bytes(size) if place == _ZEROS else bytes(self._data[at : at + size])
        data = bytearray(size)
        self.read_into(address, memoryview(data))
        return bytes(data)

    def read_into(self, address: int, buffer: memoryview) -> None:
        done, size = 0, len(buffer)
        index = bisect_right(self._starts, address) - 1
        while done < size:
            here = address + done
            if index + 1 < len(self._starts) and self._starts[index + 1] <= here:
                index += 1
            start, end, place = self._pieces[index] if index >= 0 else (0, 0, _BEHIND)
            if start <= here < end and place != _BEHIND:
                step = min(size - done, end - here)
                at = place + here - start
                buffer[done : done + step] = bytes(step) if place == _ZEROS else self._data[at : at + step]
            else:
                following = self._starts[index + 1] if index + 1 < len(self._starts) else address + size
                step = min(size - done, following - here)
                self._behind.read_into(here, buffer[done : done + step])
            done += step

    def _copied(self, spans: Spans, view: memoryview, place: int) -> Iterator[tuple[int, int, int]]:
        """Copy spans to a place in the view, one behind the other; yield the pieces."""
        done, refused = 0, 0
        while done < len(spans):
            group = spans[done : done + _TOGETHER]
            size = sum(end - start for start, end in group)
            whole = read_spans(self._pid, group, view[place : place + size]) if refused < _MOST_REFUSED else 0
            refused += whole == 0
            for start, end in group:
                done, size, whole = done + 1, end - start, whole - (end - start)
                if whole >= 0:
                    yield start, end, place
                else:
                    yield from self._by_blocks(start, end, view[place : place + size], place)
                place += size
                if whole < 0:
                    break

    def _by_blocks(self, start: int, end: int, view: memoryview, place: int) -> Iterator[tuple[int, int, int]]:
        """Yield the pieces of a span, copied block by block."""
        for at in range(0, end - start, BLOCK):
            count = min(BLOCK, end - start - at)
            try:
                self._behind.read_into(start + at, view[at : at + count])
                yield start + at, start + at + count, place + at
            except MemoryFault:
                yield start + at, start + at + count, _BEHIND


def _between(told: Spans, space: AddressSpace) -> Iterator[tuple[int, int, int]]:
    """Yield as zeros what lies between the spans, which ascend, in private anonymous mappings that may be written."""
    index = 0
    for vma in space:
        at = vma.start
        while index < len(told) and told[index][0] < vma.end:
            if is_private_anonymous(vma) and vma.writable and told[index][0] > at:
                yield at, told[index][0], _ZEROS
            at, index = told[index][1], index + 1
        if is_private_anonymous(vma) and vma.writable and at < vma.end:
            yield at, vma.end, _ZEROS


def copied_process(process: Process) -> Process | None:
    """Return a process of this machine, which stands still, with a copy of what it has written in place of that; None
    where it is no such process, or there is no room."""
    pid, memory = process.pid, process.memory
    if process.kind != "live" or pid is None or not isinstance(memory, LiveMemory):
        return None
    room, copied = room_for_copy(pid, process.address_space), CopiedMemory(pid, memory)
    if room is None or not copied.copy(process.address_space, room):
        return None
    return replace(process, memory=copied)


class Unreadable:
    """Memory that nobody else can read either."""

    def read(self, address: int, size: int) -> bytes:
        raise MemoryFault(address, size)

    def read_into(self, address: int, buffer: memoryview) -> None:
        raise MemoryFault(address, len(buffer))
