"""Report: an answer before it has a look. Cells stay ints and strings; columns carry the format; None is "unknown"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gdbheap.process.fault import Fault


class _Absent:
    """The type of ABSENT."""

    def __repr__(self) -> str:
        return "ABSENT"


# A cell that does not apply in its row: blank in text, null in JSON. (None is "unknown": "?" in text, null in JSON.)
ABSENT = _Absent()


@dataclass(frozen=True)
class Column:
    """`name` is the JSON key (published: never renamed) and, with blanks for underscores, the heading.

    `format` is how a cell looks in text and what it is in JSON:
    "address" (hex; a hex string in JSON), "size" (hex bytes; int in JSON; among `display_rows` rows also the least
    and the largest as a tuple), "bytes" (decimal with unit; int), "count" (decimal, by thousands; int), "number"
    (decimal; int), "share" (per cent; of 0 to 1 in JSON), "value" (an int or a text, as it is in each row), "text",
    "label" (a published name, "still_reachable": in text with blanks), "flag" (yes/no; bool), "list" (of addresses),
    "texts" (a list of text), "facts" (an object, by
    published names: JSON only), "strip" (text kept as it is). `token` is the kind of thing for the palette: "address",
    "mem", "size", "state", "path", "permissions", "preview", "symbol", "type", "". `shown` False: JSON only.
    `published` False: text only; where such columns come last, `rows` (not `display_rows`) may go without them.
    """

    name: str
    format: str = "text"
    token: str = ""
    shown: bool = True
    published: bool = True
    heading: str | None = None


# What a row tells, as a program needs it.
FACTS = Column("facts", "facts", shown=False)


@dataclass(frozen=True)
class Report:
    """One command's whole answer.

    `rows` hold one cell per column; any Sequence will do, so that a million rows can be made as they are asked for.
    `display_rows` are the rows for people, where those are not simply `rows` (folded, cut): a row of it may be a
    `Line`. `before` and `after` are lines around the table (text only). `totals` are named ints or strings
    (`totals_shown` False: in JSON only, for `after` says them); `notes` what the reader must know;
    `faults_displayed`: the rows for people tell of the faults, which text then does not list again.
    """

    command: str
    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Any]]
    totals: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    display_rows: Sequence[Sequence[Any] | Line] | None = None
    before: tuple[str | Line, ...] = ()
    after: tuple[str | Line, ...] = ()
    totals_shown: bool = True
    faults_displayed: bool = False


@dataclass(frozen=True)
class Line:
    """A line of text among the rows, of (token, text) pieces: a heading, "... 990 more", a hexdump line."""

    pieces: tuple[tuple[str, str], ...]

    @classmethod
    def plain(cls, text: str, token: str = "") -> Line:
        """Make a line of one piece."""
        return cls(((token, text),))
