"""The rows of a directory: one JSON line a core, each written at once, so that whatever ends the run loses none."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from contextlib import suppress

from gdbheap.errors import HeapError
from gdbheap.files import open_kept
from gdbheap.triage.row import Row, row_of

NAME = "rows.jsonl"
_PIECE = 1 << 20


class Store:
    """The rows that are there, and those that come. One run at a time has the directory; HeapError where another has
    it, or it cannot be written."""

    def __init__(self, directory: str) -> None:
        self.path = os.path.join(directory, NAME)
        try:
            os.makedirs(directory, exist_ok=True)
            self._file = open_kept(self.path)
        except OSError as error:
            raise HeapError(f"cannot write {self.path}: {error.strerror}") from error
        try:
            fcntl.flock(self._file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise HeapError(f"another triage writes to {directory} now") from None
        self._rows = self._read()

    @property
    def rows(self) -> list[Row]:
        return list(self._rows.values())

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def add(self, row: Row) -> None:
        """Write the row; nothing where its core has one."""
        if row.key not in self._rows:
            self._write(row)
            self._rows[row.key] = row

    def drop(self, is_unwanted: Callable[[Row], bool]) -> None:
        """Take rows out, so that their cores are read again."""
        kept = {key: row for key, row in self._rows.items() if not is_unwanted(row)}
        if len(kept) < len(self._rows):
            self._rows = kept
            self._file.truncate(0)
            for row in kept.values():
                self._write(row)

    def close(self) -> None:
        self._file.close()

    def _write(self, row: Row) -> None:
        line = json.dumps(row.record(), separators=(",", ":")).encode("ascii") + b"\n"
        while line:
            line = line[self._file.write(line) or 0 :]

    def _read(self) -> dict[str, Row]:
        """Return the rows by key; a line that the last run did not come to the end of is cut off, what is no row is
        left alone."""
        self._file.seek(0)
        data = bytearray()
        while piece := self._file.read(_PIECE):
            data += piece
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            self._file.truncate(whole)
        rows: dict[str, Row] = {}
        for line in bytes(data[:whole]).split(b"\n"):
            with suppress(ValueError, TypeError):
                record = json.loads(line)
                row = row_of(record) if isinstance(record, dict) else None
                if row is not None:
                    rows.setdefault(row.key, row)
        return rows
