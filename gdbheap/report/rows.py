"""Rows of a value's members, by the names of the columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gdbheap.report.report import Column


def row_of(columns: Sequence[Column], value: object, cells: Mapping[str, Any] | None = None) -> tuple[Any, ...]:
    """Return the row: for each column the cell of that name, else the value's member."""
    known = cells or {}
    return tuple(known[each.name] if each.name in known else getattr(value, each.name) for each in columns)
