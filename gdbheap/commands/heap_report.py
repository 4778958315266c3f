"""heap report: one page of HTML with all that gdbheap tells of the process, in pictures and tables."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from io import BufferedWriter, TextIOWrapper
from typing import TYPE_CHECKING, Any

from gdbheap.commands import MODULES, command_named, name_of
from gdbheap.errors import HeapError, UsageError
from gdbheap.files import open_output
from gdbheap.interface.arguments import parse
from gdbheap.interface.command import Argument, Command
from gdbheap.lazy import dataclass
from gdbheap.pictures.drawn_answers import broken_svgs, growth_svg, leaks_svg, rss_svg, sizes_svg
from gdbheap.pictures.drawn_file import in_its_place
from gdbheap.report.deliver import STANDARD_OUTPUT
from gdbheap.report.printable import human_size, printable
from gdbheap.report.report import Facts, Faults, Next, Prose, Report, Table
from gdbheap.report.rows import column, columns_of
from gdbheap.session.target import Target

if TYPE_CHECKING:
    from gdbheap.pictures.page import Figure, Section
    from gdbheap.pictures.svg import Svg
    from gdbheap.tables.retained_rows import RetainedRows

# So many rows of each answer are in the page; so many cells have all maps together; so many arenas have a map.
_MOST_ROWS = 1_000
_MOST_CELLS, _FEWEST_CELLS, _MOST_ARENAS = 6_000, 256, 12
_MOST_OF_ONE = 2_560
_RETAINED = "--count 200"


@dataclass(frozen=True)
class _Row:
    """A section of the page."""

    section: str = field(metadata=column())
    command: str = field(metadata=column("text", "command"))
    rows: int | None = field(metadata=column("count"))
    left_out: int | None = field(metadata=column("count"))
    error: str | None = field(metadata=column(shown=False))


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Write the page, and say what is in it."""
    made = _Made(target)
    names = [arguments[key] for key in ("a", "b", "c") if arguments[key]]
    sections = list(made.sections(names))
    if arguments["file"] == STANDARD_OUTPUT:
        return in_its_place(Report("heap report"), arguments, made.page(sections))
    size = _write(arguments["file"], made.page(sections))
    path = printable(arguments["file"])
    return Report(
        "heap report",
        (
            Prose((f"{human_size(size)} in {path}: one page, with nothing to load from elsewhere",)),
            Table(columns_of(_Row), made.rows),
            Facts({"bytes": size, "sections": len(sections)}, shown=False),
        ),
        notes=tuple(f"{row.section}: {row.error}" for row in made.rows if row.error),
        next=(Next(f"shell xdg-open {shlex.quote(path)}", "opens it in a browser"),),
    )


class _Made:
    """The page as it is made: the sections' rows, and the facts."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._answers: dict[str, Any] = {}
        self._facts: dict[str, Any] = {}
        self.rows: list[_Row] = []

    def sections(self, snapshots: Sequence[str]) -> Iterator[Section]:
        """Yield the sections, the facts of each kept."""
        from gdbheap.pictures.page import Figure  # kept out of gdb's start

        def figure(draw: Callable[[Report], Svg | None]) -> Callable[[Report], list[Figure]]:
            return lambda report: [Figure(each.title, each) for each in [draw(report)] if each is not None]

        yield from self._section("fault", "Why it stopped", "fault")
        yield from self._section("heap", "The heap", "heap", figures=lambda _: self._maps())
        yield from self._section("retained", "Who holds the memory", "heap retained", _RETAINED, self._held)
        yield from self._section("leaks", "What is lost", "heap leaks", "--json", figure(leaks_svg))
        if snapshots:
            yield from self._section("growth", "What grew", "heap diff", " ".join(snapshots), figure(growth_svg))
        yield from self._section("rss", "Resident memory", "heap rss", "", figure(rss_svg))
        yield from self._section("sizes", "Sizes of chunks", "heap sizes", "", figure(sizes_svg))
        yield from self._section(
            "check",
            "Whether the heap is whole",
            "heap check",
            figures=lambda report: [Figure(each.title, each) for each in broken_svgs(self._target, report)],
        )
        yield from self._section("space", "Address space", "mm", figures=lambda _: [self._space()])
        yield from self._section("mappings", "Mappings", "vmmap")

    def _section(
        self,
        name: str,
        title: str,
        command_name: str,
        line: str = "",
        figures: Callable[[Report], Sequence[Figure]] = lambda _: (),
    ) -> Iterator[Section]:
        """Yield the section of a command's answer; none where there is no such command."""
        from gdbheap.pictures.page import Section
        from gdbheap.pictures.page_sections import section

        if command_name not in map(name_of, MODULES):
            return
        command = command_named(command_name)
        try:
            report = command.run(self._target, parse(command, line, self._target.evaluate))
            drawn = figures(report)
            made = section(name, title, _not_said_twice(report), drawn)
        except HeapError as error:
            self._answers[command.name] = {"error": printable(str(error))}
            self.rows.append(_Row(title, command.name, None, None, str(error)))
            yield Section(name, title, (str(error),))
            return
        left = max(len(report.table.rows) - _MOST_ROWS, 0)
        self._answers[command.name] = {**_json(report), "left_out": left}
        self.rows.append(_Row(title, command.name, len(report.table.rows), left, None))
        yield made

    def page(self, sections: Sequence[Section]) -> Iterator[str]:
        from gdbheap.pictures.page import page

        process = self._target.process
        path = process.main.path if process.main is not None else ""
        name = path.rpartition("/")[2] or "a process"
        whose = f"process {process.own_id}" if process.own_id else process.kind
        taken = time.strftime("%Y-%m-%d %H:%M:%S %z")
        facts = {
            "schema": "gdbheap/1",
            "command": "heap report",
            "program": printable(path),
            "kind": process.kind,
            "pid": process.own_id,
            "taken": taken,
            "answers": self._answers,
            **self._facts,
        }
        return page(f"Heap report: {name}", f"{path}, {whose}, {taken}", sections, facts)

    def _retained(self) -> RetainedRows | None:
        from gdbheap.tables.retained_rows import RetainedRows

        try:
            return RetainedRows(self._target)
        except HeapError:
            return None

    def _maps(self) -> list[Figure]:
        """Draw the maps of the largest arenas, and keep their facts."""
        from gdbheap.glibc.naming import arena_name
        from gdbheap.pictures.heap_map_svg import heap_map_svg
        from gdbheap.pictures.page import Figure
        from gdbheap.pictures.page_facts import map_facts
        from gdbheap.session.heap_maps import arena_map, largest_arenas

        arenas = largest_arenas(self._target)
        rows = self._retained()
        maps: list[dict[str, Any]] = []
        figures: list[Figure] = []
        several = max(_MOST_CELLS // max(len(arenas[:_MOST_ARENAS]), 1), _FEWEST_CELLS)
        most = min(several, _MOST_OF_ONE)
        for arena in arenas[:_MOST_ARENAS]:
            found = arena_map(self._target, arena, most)
            name = arena_name(arena)
            caption = f"Arena {name}: each cell is {human_size(found.cell)} of it, filled by what it holds."
            figures.append(Figure(caption, heap_map_svg(found, name), f"map:{len(maps)}"))
            maps.append(map_facts(found, rows))
        self._facts["maps"] = maps
        self._facts["maps_left_out"] = len(arenas) - len(maps)
        return figures

    def _held(self, report: Report) -> list[Figure]:
        from gdbheap.pictures.page import Figure
        from gdbheap.pictures.page_facts import held_tree, owner_facts, owner_graph

        rows = self._retained()
        if rows is None or not report.table.rows:
            return []
        self._facts["held"] = held_tree(rows.owner_paths())
        self._facts["owners"] = owner_facts(rows, owner_graph(rows))
        return [
            Figure("What each holder keeps alive, and of which types.", None, "held"),
            Figure("Who points to whom: the largest holders, and blocks by type.", None, "owners"),
        ]

    def _space(self) -> Figure:
        from gdbheap.analysis.mappings.memory_layout import user_end
        from gdbheap.pictures.page import Figure
        from gdbheap.pictures.space_svg import space_svg
        from gdbheap.tables.bound_rows import areas_and_names

        areas, names = areas_and_names(self._target)
        end = user_end(areas, self._target.process.machine)
        return Figure("From high addresses to low; heights are logarithms of sizes.", space_svg(areas, names, end))


def _not_said_twice(report: Report) -> Report:
    """Return the answer without what the page has elsewhere: what text draws of the address space and of resident
    memory, and what is broken, which the answer of `heap check` tells."""
    if report.command == "mm":
        return replace(report, sections=(report.table,))
    sections = [each for each in report.sections if not isinstance(each, Faults)]
    if report.command == "heap rss":
        del sections[1]  # the bar
    return replace(report, sections=tuple(sections))


def _json(report: Report) -> dict[str, Any]:
    """Return the answer as --json has it, its first rows alone."""
    import json

    from gdbheap.report.json import json_lines

    table = replace(report.table, rows=report.table.rows[:_MOST_ROWS])
    sections = (table, *(each for each in report.sections if not isinstance(each, Table)))
    found: dict[str, Any] = json.loads("".join(json_lines(replace(report, sections=sections))))
    return found


def _write(path: str, pieces: Iterator[str]) -> int:
    """Write the page and return its size in bytes; UsageError where it cannot be written."""
    try:
        with BufferedWriter(open_output(path)) as binary, TextIOWrapper(binary, encoding="utf-8") as file:
            file.writelines(pieces)
            file.flush()
            return binary.tell()
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


COMMAND = Command(
    name="heap report",
    summary="Write all of it to one HTML page: maps, holders, leaks, residency, faults.",
    description=(
        "The page needs no network and no server: pictures, tables and scripts are inside, and so are the facts, as "
        "JSON (the element with the id facts): each command's answer as --json gives it, of a long one the first "
        f"{_MOST_ROWS:,} rows. It has a map of each of the largest arenas, what each holder keeps alive, who points "
        "to whom, what is lost, where the resident memory is, chunk sizes, the bytes around whatever is broken, and "
        "the address space. With snapshots, it also shows what grew between them (see `heap diff`)."
    ),
    run=run,
    arguments=(
        Argument("FILE", "path", "The file to write (-: standard output).", required=True),
        Argument("A", "snapshot", "A snapshot to compare with the heap as it is now: a name, or a path (with a /)."),
        Argument("B", "snapshot", "A second: growth is from A to B."),
        Argument("C", "snapshot", "A third: steady growth."),
    ),
    examples=(
        ("heap report heap.html", "the whole heap, to look at in a browser or to send to somebody"),
        ("heap report heap.html before", "the same, with what has grown since the snapshot called before"),
    ),
)
