"""heap leaks: which blocks nothing leads to any more, what they are, and what hangs on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gdbheap.analysis.leaks.heuristics import HEURISTICS
from gdbheap.analysis.leaks.leaks import Verdict
from gdbheap.commands.command import Argument, Command, Target
from gdbheap.commands.heap_owners import HOLDER_COLUMNS, holder_rows
from gdbheap.errors import UsageError
from gdbheap.lazy import np
from gdbheap.report.printable import human_size
from gdbheap.report.report import Column, Line, Report

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.analysis.leaks.groups import LeakGroup
    from gdbheap.analysis.leaks.leaks import Held, Leaks

_COLUMNS = (
    Column("kind", heading="", shown=False),
    Column("count", "count"),
    Column("bytes", "bytes"),
    Column("hanging_count", "count", heading="hanging"),
    Column("hanging_bytes", "bytes"),
    Column("chunk_size", "size", "size"),
    Column("example", "address", "mem"),
    Column("what", "text", "symbol"),
)
_NAMES: dict[str, tuple[Verdict, ...]] = {verdict.label: (verdict,) for verdict in Verdict}
_NAMES["lost"] = (Verdict.DEFINITELY_LOST, Verdict.INDIRECTLY_LOST, Verdict.POSSIBLY_LOST)
_NAMES["all"] = tuple(Verdict)
_DEFAULT = (Verdict.DEFINITELY_LOST, Verdict.POSSIBLY_LOST)


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Group the blocks that pass the filters; with --why, tell why one has its verdict."""
    from gdbheap.analysis.leaks.groups import group_leaks, tallies
    from gdbheap.analysis.leaks.leaks import find_leaks

    view = target.heap()
    held = held_blocks(target)
    leaks = find_leaks(target.process, view, held, _heuristics(arguments))
    if arguments["why"] is not None:
        return _why(target, leaks, arguments["why"])
    groups = group_leaks(
        leaks,
        _chosen(leaks, arguments),
        target.process.address_space,
        target.symbol_at,
        one_by_one=arguments["blocks"],
    )
    if arguments["what"]:
        groups = [group for group in groups if arguments["what"].lower() in group.what.lower()]
    totals, counted = {}, tallies(leaks)
    for verdict, (count, size) in counted.items():
        totals[f"{verdict.label}_blocks"] = count
        totals[f"{verdict.label}_bytes"] = size
    return Report(
        command="heap leaks",
        columns=_COLUMNS,
        rows=[_row(group) for group in groups],
        people=_people(target, groups, arguments),
        after=tuple(_summary(counted)),
        totals=totals,
        totals_shown=False,
        notes=(*view.notes, *notes_on(target, held)),
        faults=view.faults,
    )


def held_blocks(target: Target) -> Held:
    """Return the pointer graph of this stop: read once, kept until the process runs on."""
    from gdbheap.analysis.leaks.leaks import read_held

    view = target.heap()
    held: Held = target.keep("held", lambda progress: read_held(target.process, view, progress))
    return held


def notes_on(target: Target, held: Held) -> tuple[str, ...]:
    """Return what the reader must know about what could not be read."""
    notes = []
    if held.blind:
        notes.append(
            f"{held.graph.unread + held.unread:,} bytes of the core's memory are missing: who is held from there is not known, so no block "
            "is called lost (undecided)"
        )
    if not target.heap().complete:
        notes.append("the walk was cut short: blocks that it has not reached hold nothing here, so lost may be wrong")
    return tuple(notes)


def _heuristics(arguments: Mapping[str, Any]) -> Sequence[str]:
    chosen = arguments["heuristics"] or ("all",)
    return HEURISTICS if "all" in chosen else [each for each in chosen if each != "none"]


def _chosen(leaks: Leaks, arguments: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Return the blocks that pass --kind and --size. JSON has every kind unless told otherwise."""
    default = tuple(Verdict) if arguments["json"] else (*_DEFAULT, Verdict.UNDECIDED)
    kinds = [verdict for name in arguments["kind"] for verdict in _NAMES[name]] if arguments["kind"] else default
    chosen = np.isin(leaks.verdict, [int(kind) for kind in kinds])
    if arguments["size"]:
        low, high = arguments["size"]
        size = leaks.held.blocks.size
        chosen &= size >= np.uint64(low or 0)
        if high is not None:
            chosen &= size <= np.uint64(high)
    return chosen


def _row(group: LeakGroup) -> tuple[Any, ...]:
    return (
        group.verdict.label,
        group.count,
        group.bytes,
        group.hanging_count,
        group.hanging_bytes,
        group.chunk_size,
        group.example,
        group.what,
    )


def _people(target: Target, groups: list[LeakGroup], arguments: Mapping[str, Any]) -> list[Sequence[Any] | Line]:
    """Return the rows under a heading for each verdict, each cut at the limit."""
    limit = target.setting("limit") if arguments["count"] is None else arguments["count"]
    lines: list[Sequence[Any] | Line] = []
    for verdict in Verdict:
        here = [group for group in groups if group.verdict is verdict]
        if not here:
            continue
        lines.append(Line.plain(verdict.label.replace("_", " "), "heading"))
        shown = here[:limit] if limit else here
        lines += [_row(group) for group in shown]
        if len(shown) < len(here):
            rest = here[len(shown) :]
            size = human_size(sum(group.bytes + group.hanging_bytes for group in rest))
            lines.append(Line.plain(f"… {len(rest):,} more groups of {size}: --count 0 shows all", "dim"))
    return lines


def _summary(counted: Mapping[Verdict, tuple[int, int]]) -> list[Line]:
    """Return a line for each verdict, as Valgrind's summary has them."""
    lines = []
    for verdict in Verdict:
        count, size = counted[verdict]
        if count or verdict is not Verdict.UNDECIDED:
            text = f"{verdict.label.replace('_', ' '):>16}: {count:,} blocks, {human_size(size)}"
            lines.append(Line.plain(text, "total" if count and verdict < Verdict.STILL_REACHABLE else ""))
    return lines


def _why(target: Target, leaks: Leaks, address: int) -> Report:
    from gdbheap.analysis.leaks.owners import explain_verdict

    block = leaks.held.blocks.find(address)
    if block is None:
        raise UsageError(f"{address:#x} is in no block in use; `heap chunk {address:#x}` tells what is there")
    explanation = explain_verdict(target.process, target.heap(), leaks, block)
    return Report(
        command="heap leaks",
        columns=HOLDER_COLUMNS,
        rows=holder_rows(target, leaks, explanation.holders),
        before=explanation.lines,
        totals={"kind": Verdict(int(leaks.verdict[block])).label, "pointers": len(explanation.holders)},
        notes=notes_on(target, leaks.held),
    )


COMMAND = Command(
    name="heap leaks",
    summary="Find the blocks that nothing points to any more, by Valgrind's rules.",
    description=(
        "Roots are every thread's registers, its stack from the stack pointer up, thread-local storage, the modules' data and all other "
        "writable memory that is not malloc's. A block is still reachable if pointers to starts of blocks lead to it from a root, and "
        "possibly lost if only a chain with a pointer to the inside of a block in it does. Of the others, definitely lost are those that no "
        "other lost block leads to (of a cycle: the first), and indirectly lost those that hang on them.\n"
        "Blocks of one size that begin alike are one row: what is the class whose vtable they begin with, text, or the shape of the first "
        "two words. bytes are the chunks', headers included. Pointers that are encoded, or not aligned, cannot be seen; old values in "
        "memory that is in use but not initialised count as pointers."
    ),
    run=run,
    arguments=(
        Argument(
            "--kind",
            "choice",
            "Only blocks of these kinds (default: definitely_lost and possibly_lost; with --json all).",
            choices=tuple(_NAMES),
        ),
        Argument("--size", "range", "Only blocks whose chunks have these sizes, in bytes."),
        Argument("--what", "path", "Only groups whose what contains this, whatever the case."),
        Argument("--blocks", "flag", "A row for each block instead of groups."),
        Argument("--count", "count", "Show at most this many rows of each kind; 0 shows all."),
        Argument(
            "--heuristics",
            "choice",
            "Interior pointers that count as pointers to the start (default: all).",
            choices=(*HEURISTICS, "all", "none"),
        ),
        Argument("--why", "expression", "Tell why the block that holds this address has its verdict."),
    ),
    examples=(
        ("heap leaks", "what is lost, the largest first, with what hangs on it"),
        ("heap leaks --kind all --size 1k-", "every kind, of chunks of 1 KiB and more"),
        ("heap leaks --why p", "who points to the block that p points to, and why that is not enough"),
    ),
)
