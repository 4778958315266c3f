"""The address space in a few areas (stack, mappings, brk's heap, program), and how much memory of each of the four
sorts there is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from gdbheap.analysis.mappings.annotate import AnnotatedPart, AnnotatedVMA
from gdbheap.analysis.mappings.mapping_names import PRIVATE_ANONYMOUS, PRIVATE_FILE, SHARED_ANONYMOUS, SHARED_FILE
from gdbheap.lazy import dataclass
from gdbheap.machine.machine import Machine
from gdbheap.process.live.proc_maps import HUGETLB, MappingUsage
from gdbheap.process.mm import MM

# The kinds of areas.
STACK, MAPPINGS, HEAP, PROGRAM, KERNEL = "stack", "mappings", "heap", "program", "kernel"

SHARINGS = (PRIVATE_ANONYMOUS, PRIVATE_FILE, SHARED_ANONYMOUS, SHARED_FILE)
UNKNOWN = "unknown"

_KERNELS = frozenset({"vdso", "vvar", "vsyscall"})
# TASK_SIZE of x86-64 (four levels of page tables), of i386 on it, and of i386 alone.


@dataclass(frozen=True)
class Area:
    """Neighbours of one kind ("stack", "mappings", "heap", "program", "kernel") with no other kind between them:
    `parts` by address, of `count` mappings."""

    kind: str
    parts: tuple[AnnotatedPart, ...]
    count: int

    @property
    def start(self) -> int:
        return self.parts[0].start

    @property
    def end(self) -> int:
        return self.parts[-1].end

    @property
    def mapped(self) -> int:
        """Bytes that are mapped; the rest is gaps."""
        return sum(part.size for part in self.parts)

    @property
    def gaps(self) -> int:
        """Bytes between the parts."""
        return self.end - self.start - self.mapped


@dataclass(frozen=True)
class Sums:
    """Bytes: mapped, in memory, of those in pages that are no file's, and swapped out (None: not known)."""

    virtual: int
    resident: int | None
    anonymous: int | None
    swapped: int | None


def find_areas(mappings: Iterable[AnnotatedVMA], mm: MM) -> list[Area]:
    """Return the areas from high addresses to low."""
    mappings = list(mappings)
    stack = next((each.vma.start for each in mappings if each.vma.path == "[stack]"), 0)
    labelled = [(_label(each, part, mm, stack), part, each.vma.start) for each in mappings for part in each.parts]
    areas = []
    for kind, group in groupby(labelled, key=lambda each: each[0]):
        members = list(group)
        areas.append(Area(kind, tuple(part for _, part, _ in members), len({start for _, _, start in members})))
    return areas[::-1]


def user_end(areas: Sequence[Area], machine: Machine) -> int | None:
    """Return where the process's part of the address space ends; None where it has mappings beyond what we know of."""
    end = max((part.end for area in areas for part in area.parts if part.kind != "vsyscall"), default=0)
    return next((size for size in machine.user_ends if end <= size), None)


def sum_by_sharing(mappings: Iterable[AnnotatedVMA], usages: Sequence[MappingUsage] | None) -> dict[str, Sums]:
    """Return the sums of each sort that there is ("unknown": a core does not tell who shares a file's pages),
    vsyscall left out, which the kernel does not count (VmSize) either. `usages`: what smaps says (None: nobody
    here can ask)."""
    known = None if usages is None else {usage.vma.start: usage.sizes for usage in usages}
    groups: dict[str, list[AnnotatedVMA]] = {sharing: [] for sharing in (*SHARINGS, UNKNOWN)}
    for each in mappings:
        if each.kind != "vsyscall":
            groups[each.sharing or UNKNOWN].append(each)
    return {sharing: _sums(group, known) for sharing, group in groups.items() if group}


def total(sums: Iterable[Sums]) -> Sums:
    """Return the sums of them all."""
    each = list(sums)
    return Sums(
        sum(one.virtual for one in each),
        _total(one.resident for one in each),
        _total(one.anonymous for one in each),
        _total(one.swapped for one in each),
    )


def _label(annotated: AnnotatedVMA, part: AnnotatedPart, mm: MM, stack: int) -> str:
    if annotated.vma.path == "[stack]":
        return STACK
    # Below the stack, the vdso lies among the mappings and is placed like them.
    if part.kind in _KERNELS and part.start > stack:
        return KERNEL
    if part.kind.startswith("program_"):
        return PROGRAM
    # Not all that brk made is malloc's (a static program's TLS is not), and the main arena also goes on in mappings of
    # its own, where brk cannot grow.
    start, brk = mm.get("start_brk"), mm.get("brk")
    from_brk = start is not None and brk is not None and start <= part.start < brk and not annotated.vma.path
    return HEAP if annotated.vma.path == "[heap]" or from_brk else MAPPINGS


def _sums(group: Sequence[AnnotatedVMA], known: Mapping[int, Mapping[str, int]] | None) -> Sums:
    virtual = sum(each.vma.size for each in group)
    if known is None:
        return Sums(virtual, None, None, None)
    sizes = [known.get(each.vma.start, {}) for each in group]
    resident = sum(each.get(name, 0) for each in sizes for name in ("Rss", *HUGETLB))
    return Sums(virtual, resident, *(sum(each.get(name, 0) for each in sizes) for name in ("Anonymous", "Swap")))


def _total(sizes: Iterable[int | None]) -> int | None:
    known = list(sizes)
    return sum(size for size in known if size is not None) if known and None not in known else None
