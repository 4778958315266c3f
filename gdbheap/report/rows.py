"""Rows as dataclasses: each field is a column, and says of itself how it looks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from gdbheap.lazy import fields
from gdbheap.report.printable import cut_middle, cut_path
from gdbheap.report.report import Column, GivesWay

_KEY = "column"
# How columns make room whose texts can be cut, those first that lose least.
# (A long preview first loses its end, then columns beside it are left out, then it becomes short.)
PREVIEW = (GivesWay(0, 48), GivesWay(10, 16))
PATH = (GivesWay(30, 12, cut_path),)
TYPE = (GivesWay(40, 24, cut_middle),)
# Where the type is what is asked for, a name that little would be left of has a line of its own.
TYPE_ASKED_FOR = (GivesWay(40, 36, cut_middle),)


def goes(order: int) -> tuple[GivesWay, ...]:
    """Return the one step of a column that is left out where there is no room."""
    return (GivesWay(order),)


def column(  # noqa: PLR0913 (each is a member of Column)
    format: str = "text",
    token: str = "",
    *,
    shown: bool = True,
    published: bool = True,
    heading: str | None = None,
    gives: tuple[GivesWay, ...] = (),
) -> Mapping[str, Column]:
    """Return the metadata of a dataclass's field that is a column: the arguments are those of Column, whose name is
    the field's."""
    return {_KEY: Column("", format, token, shown, published, heading, gives)}


def columns_of(row: type[Any], without: Collection[str] = (), **shown: bool) -> tuple[Column, ...]:
    """Return the columns of a row's dataclass, `without` those that this answer does not have; `shown` says of some by
    name whether people see them this time."""
    found = []
    for each in fields(row):
        if each.name not in without:
            like = each.metadata[_KEY]
            found.append(replace(like, name=each.name, shown=shown.get(each.name, like.shown)))
    return tuple(found)
