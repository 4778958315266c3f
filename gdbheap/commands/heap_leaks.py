"""heap leaks: which blocks nothing leads to any more, what they are, and what hangs on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gdbheap.analysis.leaks.heuristics import HEURISTICS
from gdbheap.analysis.leaks.leaks import LeakKind
from gdbheap.counted import counted
from gdbheap.errors import NothingRuns, UsageError
from gdbheap.interface.command import Argument, Command
from gdbheap.interface.limit import count_argument, left_out, limit_of
from gdbheap.lazy import np
from gdbheap.pictures.drawn_answers import leaks_svg
from gdbheap.pictures.drawn_file import SVG, with_svg
from gdbheap.process.columns.distinct import distinct
from gdbheap.report.report import Facts, Line, Next, Prose, Report, Table
from gdbheap.report.rows import columns_of
from gdbheap.sentences.facts.said import said_all
from gdbheap.sentences.faults import faults_section
from gdbheap.session.block_names import block_names
from gdbheap.session.judged_blocks import judged_blocks
from gdbheap.session.kernel_notes import notes_on_kernel
from gdbheap.session.object_names import lookup
from gdbheap.session.pointer_graph import notes_on
from gdbheap.session.target import Target
from gdbheap.tables.leak_rows import (
    ENTRIES,
    LeakRow,
    LeakRows,
    columns,
    first_of_each_kind,
    row,
    rows_for_display,
    summary,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.analysis.leaks.leaks import Leaks
    from gdbheap.analysis.leaks.why import WhyVerdict
    from gdbheap.session.leak_places import LeakPlaces

_NAMES: dict[str, tuple[LeakKind, ...]] = {verdict.label: (verdict,) for verdict in LeakKind}
_NAMES["lost"] = (LeakKind.DEFINITELY_LOST, LeakKind.INDIRECTLY_LOST, LeakKind.POSSIBLY_LOST)
_NAMES["all"] = tuple(LeakKind)
_DEFAULT = (LeakKind.DEFINITELY_LOST, LeakKind.POSSIBLY_LOST)


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Group the blocks that pass the filters; with --why, tell why one has its verdict."""
    from gdbheap.analysis.leaks.groups import Grouping, group_leaks

    try:
        leaks = judged_blocks(target, _heuristics(arguments), arguments["ignore_missing"])
    except NothingRuns as error:
        raise NothingRuns(f"{error} (what a program leaks until its end: python3 -m gdbheap leaks PROGRAM)") from None
    view = target.heap()
    if arguments["why"] is not None:
        return _why(target, leaks, arguments["why"], limit_of(target, arguments))
    chosen = _chosen(leaks, arguments)
    # What is lost may be named by others that are, which were not asked for.
    names = block_names(target, chosen | (leaks.verdict != LeakKind.STILL_REACHABLE))
    places = _places(target, leaks) if arguments["places"] else None
    any_lost = bool((leaks.verdict != LeakKind.STILL_REACHABLE).any())
    by = Grouping(
        one_by_one=arguments["blocks"],
        types_of=None if names is None else names.of_many,
        apart=None if places is None else places.apart(),
    )
    groups = group_leaks(leaks, chosen, lookup(target), by)
    if arguments["what"]:
        groups = [group for group in groups if arguments["what"].lower() in group.what.lower()]
    tally = _tallies(leaks)
    report_rows = rows_for_display(groups, arguments, limit_of(target, arguments), places)
    report = Report(
        "heap leaks",
        (
            Table(
                columns(groups, places is not None),
                LeakRows(groups, places),
                report_rows,
                sample=lambda count: [row(each, places) for each in first_of_each_kind(groups, count)],
            ),
            Prose(tuple(summary(tally, leaks.reasons))),
            Facts(_totals(leaks, tally), shown=False),
            faults_section(view.faults),
        ),
        notes=(
            *said_all(view.notes),
            *notes_on(target, leaks.held, any_lost),
            *_notes_on_keys(leaks),
            *_notes_on_kernel(target, leaks),
        ),
        next=tuple(_next(report_rows, any_lost)),
    )
    return with_svg(report, arguments, lambda: leaks_svg(report))


def _places(target: Target, leaks: Leaks) -> LeakPlaces:
    from gdbheap.session.leak_places import leak_places  # only for who asks for them

    return leak_places(target, leaks)


def _tallies(leaks: Leaks) -> dict[str, tuple[int, int]]:
    """Return (blocks, bytes) of each verdict, and of blocks for which it rests on something weaker."""
    from gdbheap.analysis.leaks.entries import NO_ENTRY
    from gdbheap.analysis.leaks.groups import tallies, tally_of

    by_name = {
        "doubtful": leaks.by_remains,
        "from_stacks_alone": leaks.by_stacks,
        "encoded": leaks.by_encoding,
        "signal_stack": np.isin(np.arange(len(leaks.verdict)), leaks.signal_stacks),
        ENTRIES: leaks.entry_offset != NO_ENTRY,
        "by_heuristic": leaks.by_heuristic,
    }
    of_verdicts = {verdict.label: each for verdict, each in tallies(leaks).items()}
    return {**of_verdicts, **{name: tally_of(leaks, chosen) for name, chosen in by_name.items()}}


def _totals(leaks: Leaks, tally: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    totals: dict[str, Any] = {}
    for label, (count, size) in tally.items():
        totals |= {f"{label}_blocks": count, f"{label}_bytes": size}
    return totals | {
        "heuristics": {each.heuristic: {"blocks": each.blocks, "offsets": list(each.offsets)} for each in leaks.reasons}
    }


def _next(shown: Sequence[LeakRow | Line], any_lost: bool) -> Iterator[Next]:
    """Yield what leads on from the first group that is shown, or from there being none."""
    first = next((each for each in shown if isinstance(each, LeakRow)), None)
    if first is None or first.kind == LeakKind.STILL_REACHABLE.label:
        if not any_lost:
            yield Next("heap retained", "who holds what is there")
        return
    yield Next(f"heap leaks --why {first.example:#x}", "why it counts as lost")
    yield Next(f"heap vis {first.example:#x} --count 1", "what it holds")
    if first.kind == LeakKind.POSSIBLY_LOST.label:
        yield Next(f"heap owners {first.example:#x}", "who points into it")


def _heuristics(arguments: Mapping[str, Any]) -> Sequence[str]:
    chosen = arguments["heuristics"] or ("all",)
    return HEURISTICS if "all" in chosen else [each for each in chosen if each != "none"]


def _chosen(leaks: Leaks, arguments: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Return the blocks that pass --kind, --doubtful and --size. JSON has every kind unless told otherwise."""
    default = tuple(LeakKind) if arguments["json"] else (*_DEFAULT, LeakKind.UNDECIDED)
    kinds = [verdict for name in arguments["kind"] for verdict in _NAMES[name]] if arguments["kind"] else default
    chosen = leaks.by_remains if arguments["doubtful"] else np.isin(leaks.verdict, [int(kind) for kind in kinds])
    if arguments["size"]:
        low, high = arguments["size"]
        size = leaks.held.blocks.size
        chosen &= size >= np.uint64(low or 0)
        if high is not None:
            chosen &= size <= np.uint64(high)
    return chosen


def _notes_on_keys(leaks: Leaks) -> Iterator[str]:
    for each in leaks.encoded:
        from gdbheap.sentences.leak_verdicts import how_decoded  # most programs encode no pointers

        blocks = counted(len(distinct(each.target)), "lost block")
        yield (
            f"{counted(len(each.place), 'word')} (the first at {int(each.place[0]):#x}) {how_decoded(each.key)} "
            f"{'lead' if len(each.place) > 1 else 'leads'} to {blocks}: these look like encoded pointers, so "
            "blocks reached through them are possibly lost"
        )


def _notes_on_kernel(target: Target, leaks: Leaks) -> Iterator[str]:
    if np.isin(leaks.verdict, (LeakKind.DEFINITELY_LOST, LeakKind.UNDECIDED)).any():
        yield from notes_on_kernel(target.process)


def _why(target: Target, leaks: Leaks, address: int, limit: int) -> Report:
    from gdbheap.analysis.leaks.why import why_verdict
    from gdbheap.sentences.leak_verdicts import verdict_lines
    from gdbheap.tables.holder_rows import HolderRow, holder_rows, no_block

    block = leaks.held.blocks.find(address)
    if block is None:
        raise UsageError(no_block(target, address))
    why = why_verdict(target.process, leaks, block)
    rows = holder_rows(target, leaks.held, why.holders, block_names(target), leaks)
    cut = bool(limit) and len(rows) > limit
    return Report(
        "heap leaks",
        (
            Prose(tuple(verdict_lines(why))),
            Table(columns_of(HolderRow), rows, rows[:limit] if cut else None),
            Prose((left_out(len(rows) - limit, "pointer"),) if cut else ()),
            Facts(_facts(why), shown=False),
        ),
        notes=tuple(notes_on(target, leaks.held, leaks.verdict[block] != LeakKind.STILL_REACHABLE)),
        next=(
            Next(f"heap vis {why.start:#x} --count 1", "what it holds"),
            Next(f"heap retained {why.start:#x}", "what it keeps alive"),
        ),
    )


def _facts(why: WhyVerdict) -> dict[str, Any]:
    """Return what --why tells, as JSON has it."""
    word = why.word
    return {
        "kind": why.kind.label,
        "pointers": len(why.holders),
        "block": f"{why.start:#x}",
        "chunk_size": why.size,
        "because": why.because.value,
        "via": None if why.via is None else f"{why.via:#x}",
        "offset": why.offset,
        "encoded_at": None if word is None else f"{word.place:#x}",
        "key": None if word is None or word.key is None else f"{word.key:#x}",
        "heuristics": list(why.heuristics),
    }


COMMAND = Command(
    name="heap leaks",
    summary="Find the blocks that nothing points to any more, by Valgrind's rules.",
    description=(
        "Roots are every thread's registers (vector registers too), its stack from the stack pointer up, thread-local "
        "storage, the modules' data and any other writable memory, including memory that was later closed with "
        "mprotect(), which Valgrind ignores; in a live process also what the kernel holds for epoll and timers.\n"
        "A block is still reachable if a chain of pointers to the starts of blocks leads to it from a root, and "
        "possibly lost if every such chain has a pointer into the middle of a block. A lost block that no other lost "
        "block points to is definitely lost (of a cycle, the one that owns the others, or else the lowest); blocks "
        "reachable only from it are indirectly lost. Possibly lost blocks are shown the same way: the blocks that "
        "something reachable points into, at which offset, and what is reachable only from each (--kind "
        "possibly_lost lists that too).\n"
        "Heuristics accept some pointers into the middle as pointers to the start: memcheck's four; header, where "
        "many blocks are all pointed to at the same offset (the program's own allocator keeps a header in front); "
        "aligned, where the program aligned the memory itself (and keeps what malloc returned beside it); text, where "
        "a header in front holds the length of the text that the pointer leads to; stack, where the word is the saved "
        "stack pointer of a fibre.\n"
        "Blocks of the same type are one row, where debug information tells the type (`heap types`). Other blocks are "
        "grouped by how they begin: by C++ class (from the vtable's symbol or type info; [] marks arrays); by the "
        "symbol that the first or second word points to, whatever their sizes; and, for blocks of one size, by text "
        "at the start or by the kind of their first two words. The example is a typical block of its row. hanging: "
        "what is lost only because the row's blocks are. Sizes are those of chunks, headers included.\n"
        "What it cannot see: unaligned pointers. Encoded pointers are recognised only where many words, XORed with "
        "one key, are the starts of blocks that look lost, or where a word is an address apart from tags in its upper "
        "bits; blocks reachable only through them are possibly lost. Stale values in memory that is in use but was "
        "never initialised count as pointers; on stacks they cannot be told apart (the summary says how much is held "
        "by stacks alone). A block is doubtful if it is reachable only through memory that the program may never have "
        "initialised: blocks that still begin with what malloc's free lists left there."
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
        Argument("--what", "word", "Only groups whose what column contains this text (case is ignored)."),
        Argument(
            "--doubtful",
            "flag",
            "Only blocks that are reachable through words that may be stale, and no other way (overrides --kind).",
        ),
        Argument(
            "--ignore-missing",
            "flag",
            "Assume that memory that is missing from the core (or cannot be read) holds no pointers.",
        ),
        Argument("--blocks", "flag", "Show a row for each block instead of groups."),
        Argument(
            "--places",
            "flag",
            "Also group by the module that the type or the first words belong to, and by the variable or member that "
            "holds the block, and show both.",
        ),
        count_argument("rows of each kind"),
        Argument(
            "--heuristics",
            "choice",
            "Heuristics to apply (default: all): which pointers into a block count as pointers to its start. encoded "
            "looks for encoded pointers; types uses the types of pointers.",
            choices=(*HEURISTICS, "all", "none"),
        ),
        Argument("--why", "expression", "Show why the block that holds this address has its verdict."),
        SVG,
    ),
    examples=(
        ("heap leaks", "what is lost, the largest first, with what is lost only because of it"),
        ("heap leaks --kind all --size 1k-", "blocks of every kind in chunks of 1 KiB and more"),
        ("heap leaks --why p", "who points to the block that p points to, and why that is not enough"),
    ),
)
