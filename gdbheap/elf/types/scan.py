"""The catalogue of one module, scanned out of the files that have its debug information."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from elftools.common.exceptions import DWARFError, ELFError
from elftools.elf.elffile import ELFFile

from gdbheap.elf.elf_reader import UNPARSABLE
from gdbheap.elf.opened_elf import open_elf, size_of
from gdbheap.elf.types.abbreviations import Abbreviations
from gdbheap.elf.types.entries import Entries
from gdbheap.elf.types.expressions import Expressions
from gdbheap.elf.types.rows import FILE_SHIFT, Rows
from gdbheap.elf.types.settle import settled, unread_functions
from gdbheap.elf.types.texts import UnitTexts
from gdbheap.elf.types.units import Unit, units_of
from gdbheap.elf.types.walk import UnitWalk
from gdbheap.types.catalogue import Catalogue
from gdbheap.types.columns import ColumnTypes, NumbersByName

# Debug information of more than this, inflated, is not read.
MOST_INFO = 256 << 20
_MOST_SECTIONS = 512 << 20
# Of so little debug information all functions are looked into: their own types are found without being asked for.
_ALL_FUNCTIONS = 4 << 20
_ROUNDS_OF_FUNCTIONS = 3
_PROGRESS = 1 << 20
_SECTIONS = (
    ".debug_info",
    ".debug_abbrev",
    ".debug_str",
    ".debug_line_str",
    ".debug_str_offsets",
    ".debug_addr",
    ".debug_types",
)


@dataclass(frozen=True)
class DebugSections:
    """What one file has of debug information."""

    path: str
    sections: dict[str, bytes]
    address_size: int
    data: tuple[tuple[int, int], ...]


def scan_files(
    paths: Iterable[str], progress: Callable[[int], None] | None = None
) -> tuple[Catalogue, tuple[str, ...]]:
    """Return what the first of the files says that has debug information, and which files were read. Does not
    raise."""
    problems = []
    for path in paths:
        try:
            source = read_file(path)
            if source is not None:
                return _Scan(source, progress).catalogue(), (path,)
        except UNPARSABLE as error:
            problems.append(f"the types in {path} cannot be read: {error}"[:300])
    return Catalogue(problems=tuple(problems)), ()


def read_file(path: str) -> DebugSections | None:
    """Return the debug information of a file, None for none; ELFError and its like where it cannot be read, or is
    larger than is read."""
    with open_elf(path) as file:
        elf: Any = ELFFile(file)
        section = elf.get_section_by_name(".debug_info")
        return None if section is None or section["sh_type"] == "SHT_NOBITS" else _sections(elf, path)


def _sections(elf: Any, path: str) -> DebugSections:
    found = {}
    left = _MOST_SECTIONS
    for section in elf.iter_sections():
        if section.name in _SECTIONS and section["sh_type"] != "SHT_NOBITS":
            size = size_of(section)
            left -= size
            if left < 0 or (section.name == ".debug_info" and size > MOST_INFO):
                raise ELFError(f"{size >> 20} MiB of {section.name}: not read")
            with section.stream.unbounded():
                found[section.name] = section.data()
    data = [(each["sh_addr"], each["sh_addr"] + each["sh_size"]) for each in elf.iter_sections() if _is_data(each)]
    return DebugSections(path, found, 4 if elf.elfclass == 32 else 8, tuple(data))


def _is_data(section: Any) -> bool:
    """Whether variables lie in a section: it is in memory, is no code and not thread-local."""
    flags = section["sh_flags"]
    return bool(flags & 2) and not flags & (4 | 0x400)


class _Scan:
    def __init__(self, source: DebugSections, progress: Callable[[int], None] | None) -> None:
        self._source = source
        self._progress = progress
        self._rows = Rows()
        self._problems: list[str] = []
        self._units: list[Unit] = []
        sections = source.sections
        self._info = sections[".debug_info"]
        self._abbreviations = Abbreviations(sections.get(".debug_abbrev", b""))
        self._texts = UnitTexts(
            sections.get(".debug_str", b""),
            sections.get(".debug_line_str", b""),
            sections.get(".debug_str_offsets", b""),
        )
        self._expressions = Expressions(source.address_size, source.data, sections.get(".debug_addr", b""))

    def catalogue(self) -> Catalogue:
        small = len(self._info) <= _ALL_FUNCTIONS
        statics = None if small else self._expressions.candidates(self._info)
        interrupted = False
        try:
            self._read_units(statics)
        except KeyboardInterrupt:
            interrupted = True
            self._problems.append("stopped by Ctrl-C: only a part of the types is known")
        found = settled(self._rows)
        types = ColumnTypes(found.types)
        return Catalogue(types, found.variables, tuple(self._problems), NumbersByName(found.types), interrupted)

    def _read_units(self, statics: list[int] | None) -> None:
        told = 0
        for unit in self._each_unit():
            self._read(unit, statics)
            if self._progress is not None and unit.end - told > _PROGRESS:
                told = unit.end
                self._progress(told)

        for _ in range(_ROUNDS_OF_FUNCTIONS):
            functions = unread_functions(self._rows).tolist()
            if not functions:
                break
            self._rows.forget_skipped({start for start, _, _ in functions})
            for start, end, index in functions:
                mask = (1 << FILE_SHIFT) - 1
                self._read(self._units[index], None, (start & mask, end & mask), index)

    def _each_unit(self) -> Iterator[Unit]:
        try:
            for unit in units_of(self._info):
                self._units.append(unit)
                yield unit
        except DWARFError as error:
            self._problems.append(f"the debug information in {self._source.path} ends early: {error}")

    def _read(
        self, unit: Unit, statics: list[int] | None, function: tuple[int, int] | None = None, index: int | None = None
    ) -> None:
        try:
            plans = self._abbreviations.table(unit.abbreviations, unit.widths)
            self._texts.start(unit.widths.offset)
            number = len(self._units) - 1 if index is None else index
            entries = Entries(self._rows, 0, unit, self._texts, self._expressions, number)
            walk = UnitWalk(self._info, unit, plans, entries, statics)
            if function is None:
                walk.read_all()
            else:
                walk.read_function(*function)
        except UNPARSABLE as error:
            if len(self._problems) < 8:
                where = f"{unit.offset:#x} of .debug_info in {self._source.path}"
                self._problems.append(f"the unit at {where} cannot be read to its end: {error}"[:300])
