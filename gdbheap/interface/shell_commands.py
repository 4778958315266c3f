"""The commands that an answer leads to, as they are typed in a shell: where there is no gdb, or gdb has ended."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Optional

from gdbheap.report.report import Line, Report, Section, Table

# Returns a command as it is typed here; None for one that only gdb has.
Spell = Callable[[str], Optional[str]]

_SHELL = "shell "
# These prepare what comes, or go on with it: in a gdb that has ended, to no purpose.
_OF_A_SESSION = frozenset(("awatch", "break", "catch", "continue", "handle", "rr", "run", "rwatch", "tbreak", "watch"))


def spelled_by(options: Namespace, is_ours: Callable[[Sequence[str]], bool]) -> Spell:
    """Return what spells commands on the core or process of these options, which are answered without gdb."""
    given = [("--core", options.core), ("--pid", options.pid), ("--program", options.program)]
    given += [("--sysroot", options.sysroot), *(("--debug-dir", each) for each in options.debug_dir)]
    behind = [word for name, value in given if value for word in (name, shlex.quote(str(value)))]
    behind += ["--debuginfod"] if options.debuginfod else []

    def spelled(command: str) -> str | None:
        if command.startswith(_SHELL):
            return command[len(_SHELL) :]
        words = command.split()
        return " ".join(("python3 -m gdbheap", *map(shlex.quote, words), *behind)) if is_ours(words) else None

    return spelled


def one_shots(words: Sequence[str]) -> Spell:
    """Return what spells commands for a gdb that answers one and ends; `words` are those before `--do`."""
    before = " ".join(("python3 -m gdbheap", *map(shlex.quote, words), "--do"))

    def spelled(command: str) -> str | None:
        if command.startswith(_SHELL):
            return command[len(_SHELL) :]
        return None if command.split(" ", 1)[0] in _OF_A_SESSION else f"{before} {shlex.quote(command)}"

    return spelled


def with_commands_spelled(report: Report, spell: Spell) -> Report:
    """Return the report for people with its commands as they are typed here, and without those that only gdb has."""
    leading = (replace(each, command=spell(each.command) or "") for each in report.next)
    return replace(
        report,
        sections=tuple(_section(each, spell) for each in report.sections),
        next=tuple(each for each in leading if each.command),
    )


def _section(section: Section, spell: Spell) -> Section:
    if not isinstance(section, Table) or section.display is None or not any(map(_has_command, section.display)):
        return section
    return replace(section, display=list(_rows(section.display, spell)))


def _has_command(row: Any) -> bool:
    return isinstance(row, Line) and any(token == "command" for token, _ in row.pieces)


def _rows(rows: Sequence[Any], spell: Spell) -> Iterator[Any]:
    for row in rows:
        if not _has_command(row):
            yield row
            continue
        pieces = [(token, spell(text) if token == "command" else text) for token, text in row.pieces]
        if all(text is not None for _, text in pieces):
            yield Line(tuple((token, text or "") for token, text in pieces))
