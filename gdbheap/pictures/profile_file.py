"""--folded and --pprof: an answer's stacks in a file, for the viewers that read such."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from gdbheap.counted import counted
from gdbheap.errors import UsageError
from gdbheap.pictures.drawn_file import in_its_place
from gdbheap.report.deliver import STANDARD_OUTPUT
from gdbheap.report.printable import printable
from gdbheap.report.profiles import Stack, folded_lines, write_folded, write_pprof
from gdbheap.report.report import Line, Report

_VALUES = (("space", "bytes"), ("blocks", "count"))
_FOLDED, _PPROF = "folded", "pprof"


def folded_report(name: str, arguments: Mapping[str, Any], stacks: Callable[[], Sequence[Stack]]) -> Report | None:
    """Return the answer where its folded stacks are to go to standard output in its place, else None."""
    if not _is_folded_only(arguments):
        return None
    tuple(profiles_written(arguments, stacks))
    return in_its_place(Report(name), arguments, folded_lines(stacks()))


def check_profiles(arguments: Mapping[str, Any]) -> None:
    """Raise UsageError for what cannot be written: a profile to standard output, or two answers there."""
    if arguments[_PPROF] == STANDARD_OUTPUT:
        raise UsageError("a profile for pprof is binary: --pprof FILE")
    if _is_folded_only(arguments):
        in_its_place(Report(""), arguments, ())


def profiles_written(arguments: Mapping[str, Any], stacks: Callable[[], Sequence[Stack]]) -> Iterator[Line]:
    """Write the files that are asked for, and yield a line for each. UsageError where one cannot be written."""
    folded, pprof = arguments[_FOLDED], arguments[_PPROF]
    if not folded and not pprof:
        return
    found = stacks()
    if folded and folded != STANDARD_OUTPUT:
        write_folded(folded, found)
        yield Line.plain(f"{_many(found)} in {printable(folded)} (flamegraph.pl, speedscope)", "dim")
    if pprof:
        write_pprof(pprof, found, _VALUES)
        yield Line.plain(f"{_many(found)} in {printable(pprof)} (pprof -http=: FILE)", "dim")


def _is_folded_only(arguments: Mapping[str, Any]) -> bool:
    return bool(arguments[_FOLDED] == STANDARD_OUTPUT)


def _many(stacks: Sequence[Stack]) -> str:
    return counted(len(stacks), "stack")
