"""Command: all that a user sees of one command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from gdbheap.lazy import dataclass

if TYPE_CHECKING:
    from gdbheap.report.report import Report
    from gdbheap.session.target import Target


@dataclass(frozen=True)
class Argument:
    """One argument. `name` "--state" makes an option, "ADDRESS" a positional.

    `kind`: "expression" (a gdb expression; comes as int), "size" (an expression in bytes; int), "range" (MIN-MAX,
    MIN-, -MAX or one size; comes as (min | None, max | None)), "count" (int >= 0), "choice" (one of `choices`, or
    several with commas: a tuple of str), "flag" (bool), "text" (the rest of the line as it is; its `choices` are
    offered, then expressions), "object" (an expression; comes as (int, its text)), "name" (a word, or several in
    quotes; str), "type" (the same, of a type), "word" (the same, of any text), "path", "snapshot" (a path, or the name
    of a snapshot), "calls" (the rest of the line, without quotes around it: calls of the functions that are its
    `choices`, with semicolons between; str).
    """

    name: str
    kind: str
    help: str
    choices: tuple[str, ...] = ()
    default: Any = None
    required: bool = False

    @property
    def key(self) -> str:
        """The name in the parsed arguments: "--no-preview" -> "no_preview", "ADDRESS" -> "address"."""
        return self.name.lstrip("-").lower().replace("-", "_")


@dataclass(frozen=True)
class Command:
    """`name` as typed ("heap chunks"), a one-line `summary` (ends with a full stop), a `description` of a few
    sentences, `arguments`, and `examples` as (line, what it shows). `run(target, arguments)` returns the whole
    answer."""

    name: str
    summary: str
    run: Callable[[Target, Mapping[str, Any]], Report]
    description: str = ""
    arguments: tuple[Argument, ...] = ()
    examples: tuple[tuple[str, str], ...] = field(default=())
