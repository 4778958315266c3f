"""The places that entries are read from: sections of the module's file, and of the files that it refers to. Each has a
number, which is part of the place of its entries."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import field

from elftools.common.exceptions import ELFError

from gdbheap.elf.types.abbreviations import Abbreviations
from gdbheap.elf.types.expressions import Expressions
from gdbheap.elf.types.rows import FILE_SHIFT
from gdbheap.elf.types.sections import DebugSections
from gdbheap.elf.types.texts import UnitTexts
from gdbheap.elf.types.units import Unit
from gdbheap.lazy import dataclass

# The columns of a .dwp file's index: what part of which section is a unit's.
_INDEXED = {1: "info", 2: "types", 3: "abbrev", 6: "str_offsets"}
_MOST_SLOTS = 1 << 18


@dataclass
class EntrySection:
    """A section of entries, `of_types`: a .debug_types. `statics` are where in it a function may have a static
    variable (None: all are looked into)."""

    path: str
    number: int
    info: bytes
    of_types: bool
    abbreviations: Abbreviations
    texts: UnitTexts
    expressions: Expressions
    is_split: bool = False
    statics: Sequence[int] | None = None
    units: list[Unit] = field(default_factory=list)


@dataclass(frozen=True)
class SharedParts:
    """What dwz moved to a file that several modules share: its texts, and the place of its entries."""

    texts: bytes
    file: int


_NOTHING_SHARED = SharedParts(b"", 0)


@dataclass(frozen=True)
class Skeleton:
    """A unit whose entries are in another file: `name`, in `directory`, with that `id`; `addresses` is where its part
    of .debug_addr begins."""

    name: str
    directory: str
    id: int
    addresses: int


class Sources:
    """Makes the sources of one module, numbered as they come."""

    def __init__(self) -> None:
        self.made: list[EntrySection] = []

    def of_file(self, file: DebugSections, other: DebugSections | None = None) -> list[EntrySection]:
        """Return the sources of a module's file; `other` is what dwz moved shared parts to, and comes after them."""
        count = bool(file["info"]) + bool(file["types"])
        other_file = (len(self.made) + count) << FILE_SHIFT if other is not None and other["info"] else 0
        shared = SharedParts(b"" if other is None else other["str"], other_file)
        found = [self._add(file, name, file, shared) for name in ("info", "types") if file[name]]
        if other is not None and other_file:
            found.append(self._add(other, "info", other))
        return found

    def of_split(self, file: DebugSections, main: DebugSections, skeleton: Skeleton) -> list[EntrySection]:
        """Return the sources of a .dwo file."""
        return [self._add(file, name, main, skeleton=skeleton) for name in ("info", "types") if file[name]]

    def _add(
        self,
        file: DebugSections,
        name: str,
        main: DebugSections,
        other: SharedParts = _NOTHING_SHARED,
        skeleton: Skeleton | None = None,
    ) -> EntrySection:
        source = EntrySection(
            file.path,
            len(self.made),
            file[name],
            name == "types",
            Abbreviations(file["abbrev"]),
            UnitTexts(file["str"], file["line_str"], file["str_offsets"], other.texts, other.file),
            Expressions(main, 0 if skeleton is None else skeleton.addresses),
            skeleton is not None,
        )
        self.made.append(source)
        return source


def split_files(skeleton: Skeleton, module: str) -> Iterator[str]:
    """Yield where a unit's .dwo file may lie: where it was made, or beside the module's file."""
    yield os.path.join(skeleton.directory, skeleton.name)
    yield os.path.join(os.path.dirname(module), skeleton.name)
    yield os.path.join(os.path.dirname(module), os.path.basename(skeleton.name))


def packed_units(package: DebugSections) -> tuple[dict[int, DebugSections], list[DebugSections]]:
    """Return the parts of a .dwp file that are a compilation unit's, by its id, and those that are type units'."""
    return dict(_indexed(package, "cu_index")), [part for _, part in _indexed(package, "tu_index")]


def _indexed(package: DebugSections, index: str) -> Iterator[tuple[int, DebugSections]]:
    data = package[index]
    if not data:
        return
    try:
        version, columns, units, slots = struct.unpack_from("<IIII", data)
        if version & 0xFFFF not in (2, 5) or slots > _MOST_SLOTS or columns > 8 or units > slots:
            raise ELFError(f"the index of {package.path} is of another kind")
        ids = struct.unpack_from(f"<{slots}Q", data, 16)
        rows = struct.unpack_from(f"<{slots}I", data, 16 + 8 * slots)
        place = 16 + 12 * slots
        kinds = struct.unpack_from(f"<{columns}I", data, place)
        table = struct.unpack_from(f"<{2 * units * columns}I", data, place + 4 * columns)
    except struct.error:
        raise ELFError(f"the index of {package.path} is cut off") from None
    for own, row in zip(ids, rows):
        if 0 < row <= units:
            parts = {"str": package["str"], "line_str": package["line_str"]}
            for column, kind in enumerate(kinds):
                start = table[(row - 1) * columns + column]
                size = table[(units + row - 1) * columns + column]
                if kind in _INDEXED:
                    parts[_INDEXED[kind]] = package[_INDEXED[kind]][start : start + size]
            yield own, DebugSections(package.path, parts, package.address_size)
