"""heap retained: what each variable, and each block, keeps alive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gdbheap.counted import counted
from gdbheap.errors import UsageError
from gdbheap.interface.command import Argument, Command
from gdbheap.interface.limit import count_argument, first_of, left_out, limit_of
from gdbheap.lazy import dataclass, np
from gdbheap.pictures.drawn_file import DOT, in_its_place, write_drawing
from gdbheap.pictures.page_facts import owner_dot
from gdbheap.pictures.profile_file import check_profiles, folded_report, profiles_written
from gdbheap.report.deliver import STANDARD_OUTPUT
from gdbheap.report.printable import human_size
from gdbheap.report.profiles import Stack
from gdbheap.report.report import Facts, Line, Next, Prose, Report, Table
from gdbheap.report.rows import columns_of
from gdbheap.sentences.facts.said import said_all
from gdbheap.sentences.faults import faults_section
from gdbheap.session.pointer_graph import notes_on
from gdbheap.session.retained import MEMBER
from gdbheap.session.target import Target
from gdbheap.tables.holder_rows import no_block
from gdbheap.tables.retained_rows import MOST_ROWS, SHARED, KindRow, RetainedRows, RetainerRow
from gdbheap.tables.retained_sentences import RetainedSentences

# Rows of less than this share are left out where nobody asks for so many rows, unless there are fewer than these.
_LITTLE = 0.001
_FEWEST = 5


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """List the holders, or what is right below one, or the types."""
    rows = RetainedRows(target)
    sentences = RetainedSentences(rows)
    limit = limit_of(target, arguments)
    most = MOST_ROWS if arguments["json"] or not limit else limit
    text, asked = arguments["holder"], arguments["count"] is not None
    node = _node(rows, text) if text else None
    if (instead := _in_its_place(rows, arguments)) is not None:
        return instead
    files = tuple(_written(rows, arguments))
    if arguments["by_type"]:
        kinds = rows.by_type(node)
        owners = [Next(f"heap owners {each.example:#x}", "who points to one of the first") for each in kinds[:1]]
        return _report(rows, _Found(KindRow, kinds, len(kinds), (), files, tuple(owners), asked), limit)
    if node is None:
        found = rows.top(most)
        left = max(_holders(rows) - most, 0)
        suspects = tuple(sentences.suspects())
        then = _next(found)
        return _report(rows, _Found(RetainerRow, found, len(found) + left, suspects, files, then, asked), limit)
    found = rows.below(node, most) if arguments["json"] else rows.below_by_type(node)
    before = (*sentences.of_asked(node), "below it:" if found else "")
    then = tuple(_onward(rows, found))
    return _report(rows, _Found(RetainerRow, found, len(found), before, files, then, asked), limit)


def _onward(rows: RetainedRows, found: Sequence[RetainerRow]) -> Iterator[Next]:
    """Yield the commands that lead on from what is below a holder: into the first of it that holds more, and up."""
    row = next((each for each in found if each.kind != SHARED), None)
    if row is None or not isinstance(row.example, int):
        return
    block = rows.found.held.blocks.find(row.example)
    if row.kind == MEMBER:
        yield Next(f"heap retained {row.holder}", "one level further down")
    elif block is not None and rows.found.count[block] > 1:
        yield Next(f"heap retained {row.example:#x}", "one level further down")
    yield Next(f"heap owners {row.example:#x}", "who points to the first of them")


def _in_its_place(rows: RetainedRows, arguments: Mapping[str, Any]) -> Report | None:
    """Return what is to go to standard output in the answer's place, if anything is."""
    check_profiles(arguments)
    if arguments[DOT.key] == STANDARD_OUTPUT:
        return in_its_place(Report("heap retained"), arguments, (owner_dot(rows),))
    return folded_report("heap retained", arguments, lambda: _stacks(rows))


def _written(rows: RetainedRows, arguments: Mapping[str, Any]) -> Iterator[Line]:
    """Write the files that are asked for, and yield a line for each."""
    if arguments[DOT.key]:
        yield write_drawing(arguments[DOT.key], owner_dot(rows), "dot -Tsvg")
    yield from profiles_written(arguments, lambda: _stacks(rows))


def _stacks(rows: RetainedRows) -> list[Stack]:
    return [(each.frames, (each.bytes, each.blocks)) for each in rows.owner_paths()]


_STOPPED = (
    "stopped by Ctrl-C before all was known: each holder retains at least what is shown, and what is shown as shared "
    "may belong to one holder alone. The next command starts again"
)


def _holders(rows: RetainedRows) -> int:
    """Return how many variables and other roots retain anything."""
    found = rows.found
    return int(np.count_nonzero(found.bytes[found.blocks : found.holders] > 0))


@dataclass(frozen=True)
class _Found:
    """What is shown: the rows that were made, of `count`; what is said before and behind them; `is_counted`: how many
    rows are shown was asked for."""

    kind: type[RetainerRow] | type[KindRow]
    rows: Sequence[RetainerRow] | Sequence[KindRow]
    count: int
    before: tuple[str, ...] = ()
    after: tuple[Line, ...] = ()
    next: tuple[Next, ...] = ()
    is_counted: bool = False


def _worth_a_row(rows: list[RetainerRow | KindRow | Line]) -> list[RetainerRow | KindRow | Line]:
    """Return the rows that people are shown who have not said how many: none of next to nothing."""
    large = [row for row in rows if isinstance(row, Line) or row.share >= _LITTLE]
    return large if len(large) >= _FEWEST else rows[:_FEWEST]


def _report(rows: RetainedRows, answer: _Found, limit: int) -> Report:
    target, held = rows.target, rows.found.held
    found, count = answer.rows, answer.count
    display: list[RetainerRow | KindRow | Line] = list(first_of(found, limit))
    if not answer.is_counted:
        display = _worth_a_row(display)
    if len(display) < count:
        display.append(left_out(count - len(display), "row"))
    if not found:
        display.append(Line.plain("nothing is held"))
    return Report(
        "heap retained",
        (
            Prose(tuple(filter(None, answer.before))),
            Table(columns_of(answer.kind), found, display),
            Prose(
                (
                    Line.plain(
                        f"held in all: {human_size(rows.total)} in "
                        f"{counted(int(rows.found.count[rows.found.root]), 'block')} (chunks, headers included)",
                        "total",
                    ),
                    *answer.after,
                )
            ),
            Facts(
                {"bytes": rows.total, "blocks": int(rows.found.count[rows.found.root]), "holders": _holders(rows)},
                shown=False,
            ),
            faults_section(target.heap().faults),
        ),
        notes=(
            *said_all(target.heap().notes),
            *notes_on(target, held, False),
            *((_STOPPED,) if rows.found.interrupted else ()),
        ),
        next=answer.next,
    )


def _next(found: Sequence[RetainerRow]) -> tuple[Next, ...]:
    """Return the command that leads on from the first row: by its holder's name, or the owner's of what is shared."""
    if not found:
        return ()
    row = found[0]
    shared = f"{row.example:#x}" if isinstance(row.example, int) else ""
    name = (row.owner or shared) if row.kind == SHARED else row.holder
    return (Next(f"heap retained {name}", "one level down"),) if name else ()


def _node(rows: RetainedRows, text: str) -> int:
    """Return the node that the user means: a holder by its name, or the block or variable at an address."""
    named = rows.named(text)
    if named is not None:
        return named
    found = rows.found
    address = rows.target.evaluate(text.removeprefix("block "))
    block = found.held.blocks.find(address)
    if block is None:
        group = found.groups.find(address)
        if group is None:
            raise UsageError(no_block(rows.target, address))
        return found.blocks + group
    if not found.tree.count[block]:
        start = int(found.held.blocks.start[block])
        raise UsageError(f"no holder leads to the block at {start:#x}; `heap leaks --why {address:#x}` shows more")
    return block


COMMAND = Command(
    name="heap retained",
    summary="Show who holds the memory: what each variable, and each block, keeps alive.",
    description=(
        "A holder retains the blocks that would become unreachable without it: itself, and everything reachable only "
        "through it (its part of the dominator tree). Holders are variables (global, static, thread-local, local), "
        "words of the program's data or stacks that have no name, mappings, registers, and what the kernel keeps.\n"
        "Blocks that several holders lead to are in rows of kind shared, under the name of the nearest one, if there "
        "is one (owner in JSON). To keep stale words from taking memory away from a variable, a variable of the C "
        "library (or of GLib) counts only for blocks that no other holder leads to, a word on a stack only for blocks "
        "that no data lead to, and a register only for blocks that nothing else leads to. A std::weak_ptr, an "
        "iterator and a view hold nothing. Sizes are those of chunks, headers included.\n"
        "With a holder's name, or the address of a block, it shows one level down: the blocks directly below, each "
        "with what it retains in turn. --by-type counts by type: retained is what the topmost blocks of each type "
        "hold, with everything below them."
    ),
    run=run,
    arguments=(
        Argument("HOLDER", "text", "A holder's name as shown, or an address in a block."),
        Argument("--by-type", "flag", "Show a row for each type: of all blocks, or of those that the holder retains."),
        Argument(
            "--folded",
            "path",
            "Also write the owner paths, with bytes, to this file, as folded stacks (-: to standard output instead).",
        ),
        Argument("--pprof", "path", "Also write them, with bytes and blocks, to this file, as a profile for pprof."),
        DOT,
        count_argument(),
    ),
    examples=(
        ("heap retained", "which variables hold the memory"),
        ("heap retained server", "what is directly below the variable server"),
        ("heap retained --by-type", "which types hold it"),
        ("heap retained --folded held.txt", "the input of a flame graph of who holds what: flamegraph.pl held.txt"),
    ),
)
