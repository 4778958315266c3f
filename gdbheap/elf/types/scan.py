"""The catalogue of one module, scanned out of the files that have its debug information."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

from elftools.common.exceptions import DWARFError

from gdbheap.elf.debug_search import DebugSearch
from gdbheap.elf.elf_reader import UNPARSABLE
from gdbheap.elf.types.entries import Entries
from gdbheap.elf.types.rows import FILE_SHIFT, Rows
from gdbheap.elf.types.sections import MOST_INFO, DebugSections, read_sections
from gdbheap.elf.types.settle import settled, unread_functions
from gdbheap.elf.types.sources import EntrySection, Skeleton, Sources, packed_units, split_files
from gdbheap.elf.types.units import Unit, units_of
from gdbheap.elf.types.walk import UnitWalk
from gdbheap.types.catalogue import Catalogue
from gdbheap.types.columns import ColumnTypes, NumbersByName

# Of so little debug information all functions are looked into: their own types are found without being asked for.
_ALL_FUNCTIONS = 4 << 20
_ROUNDS_OF_FUNCTIONS = 3
_PROGRESS = 1 << 20
_MOST_PROBLEMS = 8
_MOST_SPLIT_FILES = 20_000
_PLACE = (1 << FILE_SHIFT) - 1


def scan_files(
    paths: Iterable[str], search: DebugSearch, progress: Callable[[int], None] | None = None
) -> tuple[Catalogue, tuple[str, ...]]:
    """Return what the first of the files says that has debug information, and which files were read, or would have
    been. Does not raise."""
    problems = []
    for path in paths:
        try:
            file = read_sections(path)
            if file is not None:
                scan = Scan(file, search, progress)
                return scan.catalogue(), tuple(scan.files)
        except UNPARSABLE as error:
            problems.append(f"the types in {path} cannot be read: {error}"[:300])
    return Catalogue(problems=tuple(problems)), ()


class Scan:
    """Scans a module's file and those that it refers to, which `files` are."""

    def __init__(self, file: DebugSections, search: DebugSearch, progress: Callable[[int], None] | None = None) -> None:
        self.files = [file.path]
        self._file = file
        self._search = search
        self._progress = progress
        self._rows = Rows()
        self._sources = Sources()
        self._problems: list[str] = []
        self._skeletons: list[Skeleton] = []
        self._units: list[tuple[EntrySection, Unit]] = []
        self._read_bytes = self._told = 0

    def catalogue(self) -> Catalogue:
        """Return what all of them say."""
        interrupted = False
        try:
            for source in self._sources.of_file(self._file, self._alternate()):
                self._read_source(source)
            self._read_split_files()
            self._read_functions()
        except KeyboardInterrupt:
            interrupted = True
        found = settled(self._rows)
        types = ColumnTypes(found.types)
        return Catalogue(types, found.variables, tuple(self._problems), NumbersByName(found.types), interrupted)

    def _alternate(self) -> DebugSections | None:
        """Return the file that dwz moved shared parts to, if there is one."""
        name, build_id = self._file.alternate
        if not name:
            return None
        for path in self._search.by_alternate(self._file.path, name, build_id):
            found = self._opened(path)
            if found is not None and found.build_id == build_id:
                return found
        self._say(f"a part of the debug information in {self._file.path} lies in {name}, which is not here")
        return None

    def _opened(self, path: str, split: bool = False) -> DebugSections | None:
        self.files.append(path)
        try:
            return read_sections(path, split)
        except FileNotFoundError:
            return None
        except UNPARSABLE as error:
            self._say(f"the types in {path} cannot be read: {error}")
            return None

    def _say(self, problem: str) -> None:
        if len(self._problems) < _MOST_PROBLEMS:
            self._problems.append(problem[:300])

    def _read_split_files(self) -> None:
        """Read the units that -gsplit-dwarf has put into files of their own, or dwp has packed into one."""
        if not self._skeletons:
            return
        packed, missing = self._packed(), []
        for skeleton in self._skeletons[:_MOST_SPLIT_FILES]:
            file = packed.get(skeleton.id)
            paths = split_files(skeleton, self._file.path)
            while file is None and (path := next(paths, None)) is not None:
                file = self._opened(path, split=True)
            if file is None:
                missing.append(skeleton.name)
            elif self._read_bytes < MOST_INFO:
                for source in self._sources.of_split(file, self._file, skeleton):
                    self._read_source(source)
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            self._say(f"a part of the debug information lies in {missing[0]}{more}, which cannot be read here")

    def _packed(self) -> dict[int, DebugSections]:
        path = self._file.path + ".dwp"
        package = self._opened(path, split=True) if os.path.exists(path) else None
        if package is None:
            return {}
        try:
            units, types = packed_units(package)
        except UNPARSABLE as error:
            self._say(str(error))
            return {}
        for part in types:
            for source in self._sources.of_split(part, self._file, Skeleton("", "", 0, 0)):
                self._read_source(source)
        return units

    def _read_source(self, source: EntrySection) -> None:
        if len(source.info) > _ALL_FUNCTIONS:
            source.statics = source.expressions.candidates(source.info)
        for unit in self._each_unit(source):
            self._units.append((source, unit))
            if unit.signature is not None:
                place = (source.number << FILE_SHIFT) + unit.offset + unit.type_offset
                self._rows.signatures.setdefault(unit.signature, place)
            self._read(len(self._units) - 1)
            self._tell(unit.end - unit.offset)

    def _tell(self, read: int) -> None:
        self._read_bytes += read
        if self._progress is not None and self._read_bytes - self._told > _PROGRESS:
            self._told = self._read_bytes
            self._progress(self._told)

    def _each_unit(self, source: EntrySection) -> Iterator[Unit]:
        try:
            yield from units_of(source.info, source.of_types)
        except DWARFError as error:
            self._say(f"the debug information in {source.path} ends early: {error}")

    def _read_functions(self) -> None:
        """Look into those functions that were skipped and have something that others refer to."""
        for _ in range(_ROUNDS_OF_FUNCTIONS):
            functions = unread_functions(self._rows).tolist()
            if not functions:
                break
            self._rows.forget_skipped({start for start, _, _ in functions})
            for start, end, index in functions:
                self._read(index, (start & _PLACE, end & _PLACE))

    def _read(self, index: int, function: tuple[int, int] | None = None) -> None:
        """Read a unit, or one function of it."""
        source, unit = self._units[index]
        try:
            plans = source.abbreviations.table(unit.abbreviations, unit.widths)
            source.texts.start(unit.widths.offset, source.is_split and unit.version >= 5)
            entries = Entries(self._rows, source, unit, index)
            walk = UnitWalk(source.info, unit, plans, entries, source.statics)
            if function is not None:
                walk.read_function(*function)
            else:
                walk.read_all()
                if entries.skeleton is not None:
                    self._skeletons.append(entries.skeleton)
        except UNPARSABLE as error:
            self._say(f"the unit at {unit.offset:#x} in {source.path} cannot be read to its end: {error}")
