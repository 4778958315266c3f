"""/proc/PID/maps and smaps: the kernel's text about a process's mappings -> VMAs.

The layout is that of show_map_vma() in fs/proc/task_mmu.c. The only byte that the kernel escapes in a path is the
newline (as \\012).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from itertools import accumulate

from gdbheap.errors import HeapError, NoProcess
from gdbheap.files import kernel_text
from gdbheap.lazy import dataclass, regex
from gdbheap.process.address_space import VMA, AddressSpace

# Only "\n" ends a line: a file's name may hold any other byte, so splitlines() would cut it.
_LINE = regex(
    r"^([0-9a-f]{1,16})-([0-9a-f]{1,16}) ([-r][-w][-x][ps]) ([0-9a-f]{1,16}) ([0-9a-f]+:[0-9a-f]+) ([0-9]{1,20})(?: "
    r"+(.*))?$",
    re.MULTILINE,
)
# In smaps this line follows that of the mapping itself.
_SECOND = "\nSize:"
_RSS = "\nRss:"
_HUGE = ("AnonHugePages", "ShmemPmdMapped", "FilePmdMapped")
# What lies in hugetlbfs is not in Rss.
HUGETLB = ("Private_Hugetlb", "Shared_Hugetlb")
_KEY = regex(r"^ProtectionKey: +([0-9]+)$", re.MULTILINE)
_FIELD = regex(r"^([A-Za-z_]+):(?: *([0-9]+) kB$)?")


@dataclass(frozen=True)
class MappingUsage:
    """What smaps tells of one mapping: `sizes` in bytes by the kernel's names (Rss, Private_Dirty, Anonymous, Swap,
    ...), `flags` as the two letters of VmFlags (empty where the kernel prints none)."""

    vma: VMA
    sizes: Mapping[str, int]
    flags: frozenset[str]


def parse_maps(text: str) -> AddressSpace:
    """Return the address space that the text of /proc/PID/maps describes; raise HeapError at a line that is none of
    it."""
    found = _LINE.findall(text)
    if len(found) != text.count("\n") + (text[-1:] not in ("", "\n")):
        # A line that is none, or an empty one.
        return AddressSpace(_vma(line, number) for number, line in enumerate(text.split("\n"), 1) if line)
    return AddressSpace(_vma_of(*each, line=number) for number, each in enumerate(found, 1))


def parse_smaps(text: str) -> list[MappingUsage]:
    """Return one MappingUsage per mapping of the text of /proc/PID/smaps; raise HeapError at a line that is none of
    it."""
    return list(_usages(text))


def read_maps(pid: int) -> AddressSpace:
    """Return the address space of a process on this machine; raise NoProcess where its maps cannot be read."""
    return parse_maps(_read(pid, "maps"))


def read_smaps(pid: int) -> list[MappingUsage]:
    """Return the smaps of a process on this machine; raise NoProcess where they cannot be read."""
    return parse_smaps(_read(pid, "smaps"))


@dataclass(frozen=True)
class ResidentBytes:
    """How many bytes of a mapping are in memory, those in hugetlbfs too, and how many of these are mapped by huge
    pages."""

    all: int
    huge: int


def read_resident(pid: int) -> dict[int, ResidentBytes]:
    """Return what is in memory of each mapping by its start, and nothing else of smaps: for tens of thousands of
    mappings.

    Raise NoProcess where smaps cannot be read.
    """
    return parse_resident(_read(pid, "smaps"))


def parse_resident(text: str) -> dict[int, ResidentBytes]:
    """Return the same of the text of /proc/PID/smaps."""
    pieces = text.split(_SECOND)
    starts = [int(piece[piece.rfind("\n") + 1 :].partition("-")[0], 16) for piece in pieces[:-1]]
    told = [piece[at : piece.index("kB", at)] for piece in pieces[1:] for at in (piece.index(_RSS) + len(_RSS),)]
    of_size = {each: ResidentBytes(int(each) * 1024, 0) for each in set(told)}
    found = {start: of_size[each] for start, each in zip(starts, told)}
    ends = list(accumulate(len(piece) + len(_SECOND) for piece in pieces[:-1]))
    for name in (*_HUGE, *HUGETLB):
        # (A pattern that begins with plain letters is looked for much faster.)
        for match in re.finditer(rf"\n{name}: +([1-9][0-9]*) kB\n", text):
            start, size = starts[bisect_right(ends, match.start()) - 1], int(match[1]) * 1024
            beside_rss = size if name in HUGETLB else 0
            found[start] = ResidentBytes(found[start].all + beside_rss, found[start].huge + size)
    return found


def read_protection_key(pid: int, vma: VMA) -> int | None:
    """Return the protection key of a mapping; None where smaps does not tell (it does where the processor has keys)."""
    try:
        text = _read(pid, "smaps")
    except NoProcess:
        return None
    found = text.find(f"{vma.start:08x}-{vma.end:08x} ")
    match = _KEY.search(text, found) if found >= 0 else None
    return int(match[1]) if match else None


def _read(pid: int, name: str) -> str:
    path = f"/proc/{pid}/{name}"
    try:
        return kernel_text(path)
    except OSError as error:
        raise NoProcess(f"cannot read {path}: {error.strerror}") from error


def _vma(line: str, number: int) -> VMA:
    match = _LINE.match(line)
    if match is None:
        raise HeapError(f"line {number} of the maps is none: {line[:80]!r}")
    start, end, permissions, offset, device, inode, path = match.groups("")
    return _vma_of(start, end, permissions, offset, device, inode, path, line=number)


def _vma_of(*told: str, line: int) -> VMA:
    """Return the mapping of the parts that _LINE finds."""
    start, end, permissions, offset, device, inode, path = told
    if "\\" in path:
        path = path.replace("\\012", "\n")
    vma = VMA(int(start, 16), int(end, 16), permissions, int(offset, 16), device, int(inode), path)
    if vma.start >= vma.end:
        raise HeapError(f"line {line} of the maps has no bytes: {start}-{end}")
    return vma


def _usages(text: str) -> Iterator[MappingUsage]:
    vma: VMA | None = None
    sizes: dict[str, int] = {}
    flags: frozenset[str] = frozenset()
    for number, line in enumerate(text.split("\n"), 1):
        field = _FIELD.match(line)
        if field is not None and field[2]:
            sizes[field[1]] = int(field[2]) * 1024
        elif field is not None and field[1] == "VmFlags":
            flags = frozenset(line[8:].split())
        elif field is None and line:
            if vma is not None:
                yield MappingUsage(vma, sizes, flags)
            vma, sizes, flags = _vma(line, number), {}, frozenset()
    if vma is not None:
        yield MappingUsage(vma, sizes, flags)
