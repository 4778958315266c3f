"""Where the call frame information of an address is: .eh_frame as it lies in the process's memory, the vdso's too, and
.debug_frame of files."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from typing import Any

from elftools.elf.elffile import ELFFile

from gdbheap.elf.budget import Budget
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.elf.elf_facts import read_elf_facts
from gdbheap.elf.elf_reader import UNPARSABLE
from gdbheap.elf.opened_elf import data_of, open_elf
from gdbheap.elf.section_table import section_places
from gdbheap.elf.small_debug_file import SmallFile
from gdbheap.elf.types.module_files import debug_files
from gdbheap.elf.unwind.cfi import OMITTED, CfiSection, Description
from gdbheap.errors import MemoryFault
from gdbheap.lazy import dataclass
from gdbheap.process.images.auxv import AT_SYSINFO_EHDR
from gdbheap.process.images.elf_headers import permissions_of
from gdbheap.process.images.elf_image import read_image
from gdbheap.process.process import Module, ModuleSegment, Process

VDSO = "[vdso]"
_PT_GNU_EH_FRAME = 0x6474E550
# A table in which one may search: places relative to its own, in four bytes each.
_SORTED = 0x3B
_MOST_ENTRIES = 1 << 20
_MOST_SECTION = 128 << 20
_MOST_OF_VDSO = 1 << 18


@dataclass(frozen=True)
class _Table:
    """A module's .eh_frame. `first` is its first entry; the search table, if any, has `count` entries from `table`."""

    section: CfiSection
    first: int
    table: int
    count: int
    base: int


class CfiTables:
    """The call frame information of a process."""

    def __init__(self, process: Process, search: DebugSearch) -> None:
        self._process, self._search = process, search
        self._tables: dict[str, _Table | None] = {}
        self._listed: dict[str, list[Description]] = {}
        vdso = vdso_module(process)
        self.modules = process.modules if vdso is None else (*process.modules, vdso)
        self._places = sorted(
            (segment.start, segment.end, number)
            for number, module in enumerate(self.modules)
            for segment in module.segments
        )

    def module_at(self, address: int) -> Module | None:
        """Return the module that an address is in, the vdso among them."""
        place = bisect.bisect_right(self._places, (address, 1 << 65, 0)) - 1
        if place < 0 or not self._places[place][0] <= address < self._places[place][1]:
            return None
        return self.modules[self._places[place][2]]

    def find(self, address: int) -> Description | None:
        """Return what is told of the code at an address; None where nothing is, or it cannot be read."""
        module = self.module_at(address)
        if module is None:
            return None
        if module.path not in self._tables:
            self._tables[module.path] = self._table(module)
        table = self._tables[module.path]
        found = None
        try:
            found = None if table is None else self._search_in(table, address, module)
        except (MemoryFault, *UNPARSABLE):
            pass
        return found or self._in_list(self._debug_frames(module), address)

    def _search_in(self, table: _Table, address: int, module: Module) -> Description | None:
        if not table.count:
            key = f"{module.path}:eh_frame"
            if key not in self._listed:
                self._listed[key] = sorted(_all(table.section, table.first), key=lambda each: each.start)
            return self._in_list(self._listed[key], address)
        low, high = 0, table.count
        while low < high:
            middle = (low + high) // 2
            if self._offset(table.table + 8 * middle) + table.base <= address:
                low = middle + 1
            else:
                high = middle
        if not low:
            return None
        place = table.base + self._offset(table.table + 8 * (low - 1) + 4)
        entry, _ = table.section.entry(place)
        return entry if entry is not None and entry.start <= address < entry.end else None

    def _offset(self, address: int) -> int:
        return int.from_bytes(self._process.memory.read(address, 4), "little", signed=True)

    @staticmethod
    def _in_list(entries: list[Description], address: int) -> Description | None:
        low, high = 0, len(entries)
        while low < high:
            middle = (low + high) // 2
            if entries[middle].start <= address:
                low = middle + 1
            else:
                high = middle
        found = entries[low - 1] if low else None
        return found if found is not None and address < found.end else None

    def _table(self, module: Module) -> _Table | None:
        process = self._process
        image = read_image(process, module)
        header = None if image is None else image.find(_PT_GNU_EH_FRAME)
        section = CfiSection(process.memory.read, process.pointer_size)
        if header is None:
            return self._unsorted(module, section)
        try:
            head = process.memory.read(header.address, min(header.size, 32))
            if len(head) < 8 or head[0] != 1 or head[1] == OMITTED:
                return None
            first, at = section.pointer(head, 4, head[1], header.address + 4, header.address)
            count = 0
            if OMITTED not in head[2:4] and head[3] == _SORTED:
                count, at = section.pointer(head, at, head[2], header.address + at, header.address)
                count = min(count, header.size // 8, _MOST_ENTRIES)
        except (MemoryFault, *UNPARSABLE):
            return None
        return _Table(section, first, header.address + at, count, header.address)

    @staticmethod
    def _unsorted(module: Module, section: CfiSection) -> _Table | None:
        """Return the table of a program that has no header before it, as static ones: the file says where it is."""
        place = None if module.file is None else section_places(module.file).get(".eh_frame")
        if place is None or not place.address:
            return None
        return _Table(section, module.load_base + place.address, 0, 0, 0)

    def _debug_frames(self, module: Module) -> list[Description]:
        """Return what .debug_frame of the module's files tells, in order of address."""
        if module.path not in self._listed:
            found: list[Description] = []
            self._listed[module.path] = found
            for path in dict.fromkeys((*filter(None, [module.file]), *debug_files(module, self._search))):
                try:
                    found += _in_file(path, module.load_base, self._process.pointer_size)
                except UNPARSABLE:
                    continue
            found.sort(key=lambda each: each.start)
        return self._listed[module.path]


def _in_file(path: str, bias: int, pointer_size: int) -> list[Description]:
    with open_elf(path) as file:
        elf: Any = ELFFile(file)
        section = elf.get_section_by_name(".debug_frame")
        if section is None or section["sh_type"] == "SHT_NOBITS":
            return []
        data = data_of(section, _MOST_SECTION)
    entries = CfiSection(lambda at, size: data[at : at + size], pointer_size, is_debug=True)
    mask = (1 << 8 * pointer_size) - 1
    return [
        Description((each.start + bias) & mask, (each.end + bias) & mask, each.common, each.program)
        for each in _all(entries, 0)
    ]


def _all(section: CfiSection, place: int) -> Iterator[Description]:
    """Yield the entries of a section from a place on, as far as it is whole."""
    for _ in range(_MOST_ENTRIES):
        try:
            entry, behind = section.entry(place)
        except (MemoryFault, *UNPARSABLE):
            return
        if entry is not None:
            yield entry
        if behind <= place:
            return
        place = behind


def vdso_module(process: Process) -> Module | None:
    """Return the kernel's own library in the process as a module without a file."""
    base = process.auxv.get(AT_SYSINFO_EHDR, 0)
    if not base:
        return None

    def read(offset: int, size: int) -> bytes:
        try:
            return process.memory.read(base + offset, size)
        except (MemoryFault, OverflowError):
            return b""

    facts = read_elf_facts(read)
    bias = base - facts.first_address
    segments = tuple(
        ModuleSegment(bias + at, bias + at + file_size, bias + at + size, permissions_of(flags))
        for at, file_size, size, flags in facts.loads
    )
    return Module(VDSO, None, bias, facts.build_id, segments) if segments else None


def vdso_elf(process: Process, module: Module) -> Any:
    """Return the vdso as pyelftools has an ELF file; MemoryFault, and what it raises."""
    start = min(each.start for each in module.segments)
    size = min(max(each.end for each in module.segments) - start, _MOST_OF_VDSO)
    vma = process.address_space.find(start)
    size = size if vma is None else min(max(size, vma.end - start), _MOST_OF_VDSO)
    return ELFFile(SmallFile(process.memory.read(start, size), Budget()))
