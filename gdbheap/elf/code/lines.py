"""Lines of source: the one of an address, and the files as debuggers name them."""

from __future__ import annotations

import bisect
import itertools
import os
from typing import Any

from gdbheap.elf.dies import name_of
from gdbheap.lazy import dataclass

_MOST_ENTRIES = 4_000_000


@dataclass(frozen=True)
class SourceLine:
    """`file` as it is named for people, `path` where it was when it was compiled; `number` from 1."""

    file: str
    path: str
    number: int


class UnitLines:
    """The line table of one unit; UNPARSABLE where it is broken."""

    def __init__(self, unit: Any) -> None:
        top = unit.get_top_DIE()
        self._name = name_of(top)
        directory = top.attributes.get("DW_AT_comp_dir")
        self._directory = directory.value.decode("utf-8", "surrogateescape") if directory is not None else ""
        self._program = unit.dwarfinfo.line_program_for_CU(unit)
        self._rows: list[tuple[int, int, int, bool]] | None = None
        self._starts: list[int] = []

    def at(self, address: int) -> SourceLine | None:
        """Return the line of an address (as linked); None where no line is."""
        rows = self._read()
        index = bisect.bisect_right(self._starts, address) - 1
        if index < 0 or not rows[index][2]:
            return None
        _, file, line, is_statement = rows[index]
        before = index
        # A line that no statement begins there gives way to one that does.
        while not is_statement and before > 0 and rows[before - 1][0] == rows[index][0]:
            before -= 1
            if rows[before][3] and rows[before][2]:
                _, file, line, is_statement = rows[before]
        return self.of(file, line)

    def of(self, file: int, line: int) -> SourceLine | None:
        """Return a line of the unit's file of that number; None where there is no such file."""
        if self._program is None or not line:
            return None
        header = self._program.header
        version = header["version"]
        index = file if version >= 5 else file - 1
        if not 0 <= index < len(header["file_entry"]):
            return None
        entry = header["file_entry"][index]
        name = _text(entry.name)
        directories = header["include_directory"]
        at = entry.dir_index if version >= 5 else entry.dir_index - 1
        if not os.path.isabs(name) and 0 <= at < len(directories):
            name = f"{_text(directories[at])}/{name}"
        path = os.path.normpath(os.path.join(self._directory, name))
        if path == os.path.normpath(os.path.join(self._directory, self._name)):
            name = self._name
        return SourceLine(name, path, line)

    def _read(self) -> list[tuple[int, int, int, bool]]:
        """Return (address, file, line, whether a statement begins) in order of address; line 0 where none is."""
        if self._rows is None:
            self._rows = []
            if self._program is not None:
                for entry in itertools.islice(self._program.get_entries(), _MOST_ENTRIES):
                    state = entry.state
                    if state is not None:
                        line = 0 if state.end_sequence else state.line
                        self._rows.append((state.address, state.file, line, bool(state.is_stmt)))
                # (Where one sequence ends another may begin.)
                self._rows.sort(key=lambda row: (row[0], row[2] != 0))
                self._starts = [row[0] for row in self._rows]
        return self._rows


def _text(value: Any) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
