"""Roots: all that holds a block alive without being one: registers, stacks, TLS, modules' data, other writable
memory."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

from gdbheap.allocators.heap import IN_USE, Heap
from gdbheap.analysis.pointers.scanned import scanned
from gdbheap.analysis.pointers.stack_blocks import unused_parts
from gdbheap.errors import MemoryFault
from gdbheap.lazy import dataclass
from gdbheap.process.address_space import VMA, joined, without
from gdbheap.process.intervals import Intervals
from gdbheap.process.live.in_kernel import read_in_kernel
from gdbheap.process.process import Process, Thread
from gdbheap.process.threads.static_tls import tls_below
from gdbheap.process.threads.thread_db import vector_of
from gdbheap.process.threads.thread_pointers import find_thread_pointers
from gdbheap.process.threads.thread_stacks import StackBlock, stack_blocks

DATA = "data"
STACK = "stack"
MAPPING = "mapping"
LOST_TRAIL = "heap"
REGISTER = "register"
KERNEL = "kernel"
# The root that a thread's pointer to its vector of thread-local storage is.
DTV = "dtv"


@dataclass(frozen=True)
class RootRange:
    """[start, end) of memory. `kind` is DATA (a module's), STACK, MAPPING (any other) or LOST_TRAIL (a part of the
    heap that could not be read as chunks); `name` is a path, "thread 2", ...; `thread` the debugger's number of the
    thread whose stack it is."""

    start: int
    end: int
    kind: str
    name: str
    thread: int | None = None


@dataclass(frozen=True)
class RootRegister:
    """A register, or another word that holds a pointer without lying in a root range: `register` is "rax", "dtv" (the
    thread's pointer to its vector of thread-local storage), or ("epoll 3 for descriptor 5") what the kernel alone keeps
    for the process. `kind` is REGISTER or KERNEL; `thread` is the debugger's number of the one whose it is."""

    register: str
    value: int
    kind: str = REGISTER
    thread: int | None = None


@dataclass(frozen=True)
class Roots:
    """`ranges` in order of address, apart from each other."""

    ranges: tuple[RootRange, ...]
    registers: tuple[RootRegister, ...]

    def find(self, address: int) -> RootRange | None:
        """Return the range that holds the address, or None."""
        index = bisect_right([each.start for each in self.ranges], address) - 1
        return self.ranges[index] if index >= 0 and address < self.ranges[index].end else None


def find_roots(process: Process, heap: Heap, vectors: Iterable[RootRegister] = ()) -> Roots:
    """Return the roots of the process, the words of its `vectors` (vector registers) among them. What is the
    allocator's own holds nothing alive."""
    pointers = find_thread_pointers(process)
    blocks = stack_blocks(process, pointers)
    closed = joined([*heap.own_ranges(), *unused_parts(process, blocks)])
    ranges: list[RootRange] = []
    stacks = _Stacks(process, blocks)
    for vma, low, high in scanned(process):
        for start, end in without(low, high, closed):
            ranges += _named(process, vma, start, end, stacks)
    ranges += [RootRange(start, end, LOST_TRAIL, "") for start, end in heap.unread_ranges()]
    ranges += _stacks_in_heaps(process, heap)
    return Roots(
        tuple(sorted(ranges, key=lambda each: each.start)),
        (*_registers(process, pointers), *vectors, *_in_kernel(process)),
    )


class _Stacks:
    """Whose stack an address lies on."""

    def __init__(self, process: Process, blocks: list[StackBlock]) -> None:
        self.blocks = Intervals((block.start, block.end, block) for block in blocks)
        spans = joined((block.start, block.end) for block in blocks)
        self._starts, self._ends = [start for start, _ in spans], [end for _, end in spans]
        # At the end of each: thread-local variables, and libc's record of the thread, where no call leaves stale
        # values.
        below = tls_below(process) if blocks else 0
        self.storage = Intervals((max(block.control - below, block.start), block.end, block) for block in blocks)
        # By stack pointer; of those in one place, the first in the debugger's order.
        self._threads = sorted(
            ((thread.stack_pointer, order, thread) for order, thread in enumerate(process.threads)),
            key=lambda each: each[:2],
        )
        self._pointers = [each[0] for each in self._threads]

    def are_none_in(self, start: int, end: int) -> bool:
        """Whether no block of a thread reaches into [start, end): so it is with most of thousands of mappings."""
        index = bisect_left(self._ends, start + 1)
        return index == len(self._ends) or self._starts[index] >= end

    def thread_on(self, ranges: Iterable[tuple[int, int]]) -> Thread | None:
        """Return the first thread whose stack pointer is in one of the ranges."""
        among: list[tuple[int, int, Thread]] = []
        for start, end in ranges:
            among += self._threads[bisect_left(self._pointers, start) : bisect_left(self._pointers, end)]
        return min(among, key=lambda each: each[1])[2] if among else None


def _named(process: Process, vma: VMA, start: int, end: int, stacks: _Stacks) -> Iterator[RootRange]:
    """Yield [start, end) of a VMA, cut where a thread's stack begins or ends, and where a module's data end."""
    module, module_end = _module_of(process, vma)
    if not (module_end or vma.path == "[stack]") and stacks.are_none_in(start, end):
        yield RootRange(start, end, MAPPING, vma.path)
        return
    ends = [module_end] if start < module_end < end else []
    cuts = sorted({*stacks.blocks.cuts(start, end), *stacks.storage.cuts(start, end), *ends})
    for low, high in zip([start, *cuts], [*cuts, end]):
        kind, name, number = MAPPING, vma.path, None
        if low < module_end:
            kind, name = DATA, module
        else:
            inside = stacks.blocks.at(low)
            ranges = [(each.start, each.end) for each in inside]
            thread = stacks.thread_on([*ranges, (vma.start, vma.end)] if vma.path == "[stack]" else ranges)
            is_storage = any(not each.is_free for each in stacks.storage.at(low))
            if thread is not None and not is_storage:
                kind, name, number = STACK, f"thread {thread.number}", thread.number
            elif inside and inside[0].is_free:
                name = "stack of an ended thread"
        yield RootRange(low, high, kind, name, number)


def _module_of(process: Process, vma: VMA) -> tuple[str, int]:
    """Return the path of the file whose data the VMA is, and where they end: mapped from it, or (.bss) right behind
    what is; ("", 0) for none. (The kernel joins other memory to .bss, where that lies right behind it.)"""
    if vma.is_file:
        is_other = vma.shared or vma.path.startswith(("/dev/", "/memfd:", "/SYSV"))
        return ("", 0) if is_other else (vma.path, vma.end)
    before = process.address_space.around(vma.start)[0]
    if vma.path or before is None or before.end != vma.start or not before.is_file:
        return "", 0
    ends = [
        process.page_after(segment.end)
        for module in process.modules
        if module.path == before.path
        for segment in module.segments
        if segment.start < vma.end
    ]
    # (A program may have made the end of its .data read-only. Without its segments, what is writable goes on in .bss.)
    end = min(max(ends), vma.end) if ends else vma.end if before.writable else 0
    return (before.path, end) if end > vma.start else ("", 0)


def _stacks_in_heaps(process: Process, heap: Heap) -> Iterator[RootRange]:
    """Yield the used part of the stacks that the program made of the allocator's memory."""
    for thread in process.threads:
        piece = heap.piece_at(thread.stack_pointer)
        if piece is not None and piece.state == IN_USE:
            start = max(thread.stack_pointer - process.machine.red_zone, piece.start)
            yield RootRange(start, piece.end, STACK, f"thread {thread.number}", thread.number)


def _registers(process: Process, pointers: dict[int, int]) -> Iterator[RootRegister]:
    machine = process.machine
    for thread in process.threads:
        for name, value in thread.registers.items():
            # (No block is at 0.)
            if value and name not in machine.without_pointers:
                yield RootRegister(name, machine.untagged(value), REGISTER, thread.number)
    for thread in process.threads:
        pointer = pointers.get(thread.lwp)
        if pointer is None:
            continue
        try:
            vector = vector_of(process, pointer)
        except MemoryFault:
            continue
        # The control block points to the second entry of the dynamic thread vector, which is as good as a pointer to
        # its block.
        yield RootRegister(DTV, vector - 2 * process.pointer_size, thread=thread.number)


def _in_kernel(process: Process) -> Iterator[RootRegister]:
    if process.kind == "live" and process.pid is not None:
        for name, value in read_in_kernel(process.pid).words:
            yield RootRegister(name, process.machine.untagged(value), KERNEL)
