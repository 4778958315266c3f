"""What each mapping is: the program's and its libraries' parts, heaps, mmapped chunks, stacks, the kernel's own.

The kernel merges neighbours, so one mapping may be several things: it has a AnnotatedPart for each, and what no part
covers is named after the mapping itself. Nothing here needs a libc; what a HeapView adds is more parts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Optional

from gdbheap.allocators.heap import Heap
from gdbheap.analysis.mappings.mapping_names import name_of, sharing_of
from gdbheap.lazy import dataclass
from gdbheap.process.address_space import VMA
from gdbheap.process.intervals import Intervals
from gdbheap.process.process import Module, Process
from gdbheap.process.threads.thread_stacks import find_stacks

# With more owners than this, they are counted instead of named.
_MOST_NAMES = 4


@dataclass(frozen=True)
class AnnotatedPart:
    """[start, end) is `what` for people ("heap"), of the published `kind` ("arena_heap"); `owner` is whose it is
    ("arena", 1), if anyone's.

    `inferred`: this was concluded, not told by the process or the kernel.
    """

    start: int
    end: int
    kind: str
    what: str
    inferred: bool = False
    owner: tuple[str, int] | None = None

    @property
    def size(self) -> int:
        """Bytes."""
        return self.end - self.start

    @property
    def text(self) -> str:
        """Return it in words: "heap of arena 1"."""
        return words_for([self])


@dataclass(frozen=True)
class AnnotatedVMA:
    """A mapping, its parts in order of address, and its `sharing`: "private_anonymous", "shared_file", ... (None:
    not told)."""

    vma: VMA
    parts: tuple[AnnotatedPart, ...]
    sharing: str | None

    @property
    def kind(self) -> str:
        """The kind of most of its bytes."""
        if len(self.parts) == 1:
            return self.parts[0].kind
        sizes: Counter[str] = Counter()
        for part in self.parts:
            sizes[part.kind] += part.size
        return sizes.most_common(1)[0][0]

    @property
    def what(self) -> str:
        """All that it is, in a line for people: the largest first."""
        if len(self.parts) == 1:
            return self.parts[0].text
        groups: dict[tuple[str, bool], list[AnnotatedPart]] = {}
        for part in self.parts:
            groups.setdefault((part.what, part.inferred), []).append(part)
        ordered = sorted(groups.values(), key=lambda parts: -sum(part.size for part in parts))
        return " + ".join(words_for(parts) for parts in ordered)


def words_for(parts: Sequence[AnnotatedPart]) -> str:
    """Return parts that are the same thing in words: "stack of thread 2", "stacks of threads 2, 3", "3 mmapped
    chunks"."""
    what = parts[0].what
    owners = dict.fromkeys(part.owner for part in parts if part.owner is not None)
    if owners:
        noun = next(iter(owners))[0]
        names = [str(number) for number in sorted(number for _, number in owners)]
        if len(names) == 1:
            what = f"{what} of {noun} {names[0]}"
        else:
            what = (
                f"{what}s of {f'{noun}s ' + ', '.join(names) if len(names) <= _MOST_NAMES else f'{len(names)} {noun}s'}"
            )
    elif len(parts) > 1 and parts[0].kind == "mmapped_chunk":
        what = f"{len(parts)} {what}s"
    return what + (" (inferred)" if parts[0].inferred else "")


def annotate(process: Process, heap: Heap | None = None) -> tuple[AnnotatedVMA, ...]:
    """Return every mapping of the process in order of address, with what it is."""
    space = process.address_space
    parts: dict[int, list[AnnotatedPart]] = {}
    for part, paths in _claims(process, heap):
        for vma in space.overlapping(part.start, part.end):
            if paths is None or vma.path in paths:
                parts.setdefault(vma.start, []).append(part)
    # (What has the same name and permissions is the same by itself.)
    names: dict[tuple[str, str, bool], tuple[str, str, str | None]] = {}
    found = []
    for vma in space:
        alike = vma.path, vma.permissions, vma.inode != 0
        if alike not in names:
            names[alike] = (*name_of(vma), sharing_of(vma, space.source))
        kind, what, sharing = names[alike]
        own = AnnotatedPart(vma.start, vma.end, kind, what, vma.start in space.inferred)
        mine = parts.get(vma.start)
        found.append(AnnotatedVMA(vma, (own,) if mine is None else tuple(_fill(own, mine)), sharing))
    return tuple(found)


# A part, and the paths that a mapping may have to be (partly) it; None: any.
_Claim = tuple[AnnotatedPart, Optional[frozenset[str]]]


def _claims(process: Process, heap: Heap | None) -> Iterator[_Claim]:
    for module in process.modules:
        yield from _module_claims(process, module)
    yield from ((part, None) for part in _stack_parts(process))
    if heap is not None:
        for area in heap.areas(process):
            yield AnnotatedPart(area.start, area.end, area.kind, area.what, owner=area.owner), None


def _module_claims(process: Process, module: Module) -> Iterator[_Claim]:
    """Yield a claim for each stretch of a module by its program headers, in whole pages. (A hostile header can claim
    no more than mappings of its own file, and anonymous ones that nothing else claims earlier.)"""
    owner = "program" if module == process.main else "library"
    name = "program" if module == process.main else module.path.rpartition("/")[2]
    own, bss = frozenset({module.path}), frozenset({"", "[heap]"})
    for segment in module.segments:
        start = process.page_of(segment.start)
        file_end, end = process.page_after(segment.file_end), process.page_after(segment.end)
        kind = "text" if "x" in segment.permissions else "data" if "w" in segment.permissions else "rodata"
        relro_end = start
        if kind == "data" and module.relro is not None and start <= module.relro[0] < file_end:
            # mirrors _dl_protect_relro(): both ends rounded down
            relro_end = max(start, min(process.page_of(module.relro[1]), file_end))
            yield AnnotatedPart(start, relro_end, f"{owner}_relro", f"{name} relro"), own
        if segment.file_end > segment.start:
            yield AnnotatedPart(relro_end, file_end, f"{owner}_{kind}", f"{name} {kind}"), own
        yield AnnotatedPart(max(start, file_end), end, f"{owner}_bss", f"{name} bss"), bss


def _stack_parts(process: Process) -> Iterator[AnnotatedPart]:
    """Yield each thread's stack and guard, those that ended threads have left, and the pages around a TCB that is on
    no such stack (the first thread's)."""
    stacks, left = find_stacks(process)
    for block in left:
        yield AnnotatedPart(block.start, block.start + block.guard, "thread_guard", "guard of an ended thread")
        yield AnnotatedPart(block.start + block.guard, block.end, "ended_stack", "stack of an ended thread")
    for stack in stacks:
        owner = ("thread", stack.thread.number)
        vma = process.address_space.find(stack.start)
        yield AnnotatedPart(stack.start, stack.guard_end, "thread_guard", "guard", owner=owner)
        if vma is not None and vma.path == "[stack]":
            yield AnnotatedPart(stack.guard_end, stack.end, "main_stack", "main stack", stack.inferred)
        else:
            yield AnnotatedPart(stack.guard_end, stack.end, "thread_stack", "stack", stack.inferred, owner)
    everyones = Intervals((stack.start, stack.end, stack) for stack in stacks)
    for stack in stacks:
        pointer = stack.thread_pointer
        vma = process.address_space.find(pointer) if pointer else None
        if pointer and vma and not everyones.at(pointer):
            # The TLS blocks lie right below the TCB or right above; how many pages they take, only ld.so knows.
            page = pointer & -process.page_size
            start, end = max(page - 2 * process.page_size, vma.start), min(page + 2 * process.page_size, vma.end)
            yield AnnotatedPart(start, end, "tls", "TLS", owner=("thread", stack.thread.number))


def _fill(own: AnnotatedPart, parts: Iterable[AnnotatedPart]) -> Iterator[AnnotatedPart]:
    """Yield the parts clipped to the mapping, `own` by itself, and what is left of that between them."""
    at = own.start
    for part in sorted(parts, key=lambda part: (part.start, part.end)):
        start, end = max(part.start, at), min(part.end, own.end)
        if start >= end:
            continue
        if start > at:
            yield replace(own, start=at, end=start)
        yield replace(part, start=start, end=end)
        at = end
    if at < own.end:
        yield replace(own, start=at)
