"""Rows as dataclasses: each field is a column, and says of itself how it looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from gdbheap.report.printable import cut_middle, cut_path
from gdbheap.report.report import Column, GivesWay

# How columns make room that hold what can be cut, those first that lose least.
PREVIEW = GivesWay(1, 16)
PATH = GivesWay(3, 12, cut_path)
TYPE = GivesWay(4, 24, cut_middle)
_KEY = "column"


def column(
    format: str = "text",
    token: str = "",
    *,
    shown: bool = True,
    published: bool = True,
    heading: str | None = None,
    gives: GivesWay | None = None,
) -> Mapping[str, Column]:
    """Return the metadata of a dataclass's field that is a column: the arguments are those of Column, whose name is
    the field's."""
    return {_KEY: Column("", format, token, shown, published, heading, gives)}


def columns_of(row: type[Any], **shown: bool) -> tuple[Column, ...]:
    """Return the columns of a row's dataclass; `shown` says of some by name whether people see them this time."""
    found = []
    for each in fields(row):
        like = each.metadata[_KEY]
        found.append(replace(like, name=each.name, shown=shown.get(each.name, like.shown)))
    return tuple(found)
