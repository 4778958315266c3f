"""Report: an answer before it has a look, in sections. Cells stay ints and strings; columns carry the format; None is
"unknown"."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Union

from gdbheap.lazy import dataclass
from gdbheap.report.printable import cut_end


class Absent:
    """The type of ABSENT."""

    def __repr__(self) -> str:
        return "ABSENT"


# A cell that does not apply in its row: blank in text, null in JSON. (None is "unknown": "?" in text, null in JSON.)
ABSENT = Absent()


class Tokened(str):
    """The text of a cell that is another kind of thing for the palette than its column: `token` says which."""

    __slots__ = ("token",)
    token: str

    def __new__(cls, text: str, token: str) -> Tokened:
        made = super().__new__(cls, text)
        made.token = token
        return made


# Returns a text within a width.
Cut = Callable[[str, int], str]


@dataclass(frozen=True)
class GivesWay:
    """A step in which a column makes room where a terminal is too narrow for its table: those of the lowest `order`
    come first. The column is cut to no less than `least` columns of text; 0: it is left out."""

    order: int
    least: int = 0
    cut: Cut = cut_end


@dataclass(frozen=True)
class Column:
    """`name` is the JSON key (published: never renamed) and, with blanks for underscores, the heading.

    `format` is how a cell looks in text and what it is in JSON:
    "address" (hex; a hex string in JSON), "size" (hex bytes; int in JSON; among rows for people also the least
    and the largest as a tuple), "bytes" (decimal with unit; int), "count" (decimal, by thousands; int), "number"
    (decimal; int), "share" (per cent; of 0 to 1 in JSON), "value" (an int or a text, as it is in each row), "text",
    "label" (a published name, "still_reachable": in text with blanks), "flag" (yes/no; bool), "list" (of addresses),
    "texts" (a list of text), "facts" (an object, by
    published names: JSON only), "strip" (text kept as it is). `token` is the kind of thing for the palette: "address",
    "mem", "size", "state", "path", "permissions", "preview", "symbol", "type", "". `shown` False: JSON only.
    `published` False: text only. `gives` are the steps in which the column makes room; without any,
    it never does.
    """

    name: str
    format: str = "text"
    token: str = ""
    shown: bool = True
    published: bool = True
    heading: str | None = None
    gives: tuple[GivesWay, ...] = ()


@dataclass(frozen=True)
class Line:
    """A line of text among the rows, of (token, text) pieces: a heading, "... 990 more", a hexdump line."""

    pieces: tuple[tuple[str, str], ...]

    @classmethod
    def plain(cls, text: str, token: str = "") -> Line:
        """Make a line of one piece."""
        return cls(((token, text),))


def plain_text(line: str | Line) -> str:
    """Return a line's text, without its looks."""
    return line if isinstance(line, str) else "".join(text for _, text in line.pieces).strip()


@dataclass(frozen=True)
class Table:
    """Rows under headings; in JSON the answer's rows.

    A row is a value with a member for each column (see rows.py), or a tuple of its cells; where columns that are not
    `published` come last, a tuple may go without them. Any Sequence of rows will do, so that a million can be made as
    they are asked for. `display` are the rows for people, where those are not simply `rows` (folded, cut): one of
    them may be a `Line`. `sample` gives the rows that stand for all where a program wants so many (None: the first);
    `left_out` is how many it goes without.
    """

    columns: tuple[Column, ...]
    rows: Sequence[Any]
    display: Sequence[Any] | None = None
    sample: Callable[[int], Sequence[Any]] | None = None
    left_out: int = 0

    @property
    def displayed(self) -> Sequence[Any]:
        """The rows for people."""
        return self.rows if self.display is None else self.display

    def cells_of(self) -> Callable[[Any], tuple[Any, ...]]:
        """Return the function from a row to its cells, in the order of the columns."""
        names = [column.name for column in self.columns]
        members = attrgetter(*names) if len(names) > 1 else lambda row: (getattr(row, names[0]),)
        return lambda row: row if isinstance(row, tuple) else members(row)


@dataclass(frozen=True)
class Prose:
    """Lines of text for people, which JSON does not have."""

    lines: tuple[str | Line, ...]


@dataclass(frozen=True)
class Facts:
    """Named ints, strings, lists and objects: the totals. `shown` False: in JSON only, for prose says them."""

    values: Mapping[str, Any]
    shown: bool = True


@dataclass(frozen=True)
class FaultLine:
    """A thing that is broken, in English: what it is called, and what the field holds and should hold. To programs:
    the `invariant` by its published name (None: it has none), and what both sentences say as `facts`."""

    address: int
    message: str
    detail: str = ""
    invariant: str | None = None
    facts: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Faults:
    """What is broken. `shown` False: the rows or the prose for people tell of it."""

    found: tuple[FaultLine, ...]
    shown: bool = True


Section = Union[Table, Prose, Facts, Faults]


@dataclass(frozen=True)
class Next:
    """A command that leads on from an answer, as it is typed, and what it tells. `shown` False: the answer's text has
    it elsewhere."""

    command: str
    tells: str = ""
    shown: bool = True


@dataclass(frozen=True)
class Report:
    """One command's whole answer: its sections as people read them (one Table at most), `notes`, what the reader
    must know besides, and what may be asked `next`. JSON has the rows, all facts, the notes, the faults and the
    commands. `document` is what stands in the answer's place: a page or a drawing that goes to standard output.
    `example` is the address to go on with, where it is not the first row's."""

    command: str
    sections: tuple[Section, ...] = ()
    notes: tuple[str, ...] = ()
    next: tuple[Next, ...] = ()
    document: tuple[str, ...] | None = None
    example: int | None = None

    @property
    def table(self) -> Table:
        """The table; one without columns and rows where there is none."""
        return next((each for each in self.sections if isinstance(each, Table)), Table((), ()))

    @property
    def facts(self) -> dict[str, Any]:
        """All facts by name."""
        return {name: value for each in self.sections if isinstance(each, Facts) for name, value in each.values.items()}

    @property
    def faults(self) -> tuple[FaultLine, ...]:
        """All faults."""
        return tuple(fault for each in self.sections if isinstance(each, Faults) for fault in each.found)
