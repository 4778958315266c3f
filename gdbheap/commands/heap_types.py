"""heap types: what the heap holds, by type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from gdbheap.counted import counted
from gdbheap.errors import UsageError
from gdbheap.interface.command import Argument, Command
from gdbheap.interface.limit import count_argument, first_of, left_out, limit_of
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.distinct import distinct
from gdbheap.report.cells import share_text
from gdbheap.report.printable import human_size
from gdbheap.report.report import Facts, Line, Next, Prose, Report, Table
from gdbheap.report.rows import columns_of
from gdbheap.sentences.block_names import BlockNames
from gdbheap.sentences.facts.said import said_all
from gdbheap.sentences.faults import faults_section
from gdbheap.sentences.type_reasons import chain_lines, chain_path, reason
from gdbheap.session.block_names import all_names
from gdbheap.session.judged_blocks import judged_blocks
from gdbheap.session.pointer_graph import notes_on
from gdbheap.session.target import Target
from gdbheap.tables.container_rows import containers_report
from gdbheap.tables.holder_rows import no_block
from gdbheap.tables.type_rows import (
    BlockRow,
    BlockRows,
    TypeRow,
    display_block,
    display_group,
    group_row,
    sums,
)
from gdbheap.types.catalogue import NONE
from gdbheap.types.short_names import short_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    # What these bring is kept out of gdb's start: the functions below import it when they are called.
    from gdbheap.analysis.leaks.leaks import Leaks
    from gdbheap.analysis.types.block_types import BlockTypes
    from gdbheap.analysis.types.by_type import TypeGroup


@dataclass(frozen=True)
class _Typed:
    """What is known of every block; `lost` are those of any kind that `heap leaks` calls lost."""

    types: BlockTypes
    names: BlockNames
    leaks: Leaks
    reachable: NDArray[np.bool_]
    lost: NDArray[np.bool_]
    groups: list[TypeGroup]


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Count the blocks by type, list those of one, or tell how one's type is known."""
    typed = _typed(target)
    if arguments["why"] is not None:
        return _why(target, typed, arguments["why"])
    wanted = arguments["type"]
    if wanted or arguments["blocks"]:
        return _blocks(target, typed, wanted, arguments)
    limit = limit_of(target, arguments)
    if arguments["containers"]:
        return containers_report(target.process, typed.types, typed.leaks.held.blocks, limit, _notes(target, typed))
    total = sum(group.bytes for group in typed.groups)
    shown = first_of(typed.groups, limit)
    lines: list[TypeRow | Line] = [display_group(typed.leaks, each, total) for each in shown]
    if len(shown) < len(typed.groups):
        rest = typed.groups[len(shown) :]
        size = human_size(sum(group.bytes for group in rest))
        lines.append(left_out(len(rest), "type", f"of {size}"))
    return Report(
        "heap types",
        (
            Table(columns_of(TypeRow), [group_row(typed.leaks, each, total) for each in typed.groups], lines),
            Prose(tuple(_summary(typed))),
            Facts(sums(typed.types, typed.leaks), shown=False),
            faults_section(target.heap().faults),
        ),
        notes=_notes(target, typed),
        next=tuple(_next(typed)),
    )


def _next(typed: _Typed) -> Iterator[Next]:
    """Yield how to see one of the struct or class with the most bytes, and what each type keeps alive."""
    types, start = typed.types, typed.leaks.held.blocks.start
    named = (group.example for group in typed.groups if types.type[group.example] != NONE)
    structs = (block for block in named if types.catalogue.types[int(types.type[block])].members)
    for block in islice(structs, 1):
        yield Next(f"heap view {int(start[block]):#x} --count 1", "one of them, member by member")
    yield Next("heap retained --by-type", "what each type keeps alive")


def _typed(target: Target) -> _Typed:
    from gdbheap.analysis.leaks.leaks import LeakKind
    from gdbheap.analysis.types.by_type import groups_by_type

    names, leaks = all_names(target), judged_blocks(target)
    types = names.types
    reachable = leaks.verdict == LeakKind.STILL_REACHABLE
    lost = ~reachable & (leaks.verdict != LeakKind.UNDECIDED)
    return _Typed(types, names, leaks, reachable, lost, groups_by_type(types, leaks.held.blocks, reachable, lost))


def _summary(typed: _Typed) -> Iterator[Line]:
    """Yield how much of the heap is named, and how surely."""
    facts = sums(typed.types, typed.leaks)
    blocks, size = facts["blocks"], facts["bytes"]
    yield Line.plain(f"{counted(blocks, 'block')}, {human_size(size)}", "total")
    for name, words in (
        ("certain", "named for certain"),
        ("likely", "likely so"),
        ("possible", "perhaps so"),
        ("by_role", "known by their role alone"),
        ("unknown", "not known"),
    ):
        count, part = facts[f"{name}_blocks"], facts[f"{name}_bytes"]
        if count:
            share = share_text(count / blocks)
            yield Line.plain(f"  {share:>7} {words}: {counted(count, 'block')}, {human_size(part)}", "dim")


def _notes(target: Target, typed: _Typed) -> tuple[str, ...]:
    return (
        *said_all(target.heap().notes),
        *notes_on(target, typed.leaks.held, bool(typed.lost.any())),
        *_notes_on_types(target, typed.types),
    )


def _notes_on_types(target: Target, types: BlockTypes) -> Iterator[str]:
    """Yield what could not be known of types, and why."""
    if not types.catalogue.types:
        main = target.process.main
        program = main.path.rpartition("/")[2] if main is not None else "the program"
        way = (
            "Its file is not here"
            if main is not None and main.file is None
            else "Compile it with -g, or install its debug symbols (on Debian the package PROGRAM-dbgsym; elsewhere "
            "debuginfod serves them)"
        )
        yield f"no debug information for {program}: only what needs none is named. {way}"
    if (types.type == NONE).any() and _are_rusts(types):
        yield (
            "of Rust's types, String, Vec, Box, Rc, Arc and enums are followed; what HashMap, BTreeMap and "
            "Box<dyn ...> hold is not"
        )
    yield from types.catalogue.problems


def _are_rusts(types: BlockTypes) -> bool:
    """Whether blocks have types of Rust's."""
    numbers = distinct(types.type[types.type != NONE]).tolist()
    return any(types.catalogue.types[each].language == "rust" for each in numbers)


def _blocks(target: Target, typed: _Typed, wanted: str | None, arguments: Mapping[str, Any]) -> Report:
    """List blocks, of the `wanted` type or all."""
    from gdbheap.analysis.types.by_type import blocks_of_kinds, named_like

    chosen = np.arange(len(typed.types))
    if wanted:
        kinds = set(named_like(typed.groups, wanted))
        if not kinds:
            raise UsageError(f"no live block has a type or role called {wanted!r}; `heap types` lists those there are")
        chosen = blocks_of_kinds(typed.types, kinds)
    limit = limit_of(target, arguments)
    rows = BlockRows(typed.names, typed.leaks, chosen)
    lines: list[Sequence[Any] | Line] = [display_block(row) for row in rows[: limit or len(rows)]]
    if len(lines) < len(rows):
        lines.append(left_out(len(rows) - len(lines), "block"))
    size = int(typed.leaks.held.blocks.size[chosen].sum())
    return Report(
        "heap types",
        (
            Table(columns_of(BlockRow), rows, lines),
            Prose((Line.plain(f"{counted(len(rows), 'block')}, {human_size(size)}", "total"),)),
            Facts({"blocks": len(rows), "bytes": size}, shown=False),
            faults_section(target.heap().faults),
        ),
        notes=_notes(target, typed),
        next=tuple(_next_of(typed, chosen)),
    )


def _next_of(typed: _Typed, chosen: NDArray[np.intp]) -> Iterator[Next]:
    """Yield how to look closer at the first of the blocks."""
    for block in chosen[:1].tolist():
        start = int(typed.leaks.held.blocks.start[block])
        yield Next(f"heap owners {start:#x}", "who points to the first")
        yield Next(f"heap types --why {start:#x}", "how its type is known")


def _why(target: Target, typed: _Typed, address: int) -> Report:
    """Tell how the type of the block is known."""
    blocks = typed.leaks.held.blocks
    block = blocks.find(address)
    if block is None:
        raise UsageError(no_block(target, address))
    names = typed.names
    name, why = names.of(block), reason(names, block)
    start = int(blocks.start[block])
    lines = [f"{start:#x} is {name}" if name else f"it is not known what the block at {start:#x} is"]
    if name and why:
        lines.append(f"because {why}")
    member = names.member_at(address)
    if member and address != start:
        lines.append(f"{address:#x} is its member {member}")
    chain: tuple[str | Line, ...]
    chain, path = tuple(chain_lines(names, block)), chain_path(names, block)
    if chain:
        chain = (Line.plain(f"the path to it: {path}" if path else "the path to it:", "heading"), *chain)
    rows = BlockRows(typed.names, typed.leaks, np.array([block]))
    return Report(
        "heap types",
        (
            Prose((*lines, *chain)),
            Table(columns_of(BlockRow), rows, []),
            Facts({"chain": [_step(typed.types, step) for step in typed.types.chain(block)]}, shown=False),
        ),
        notes=_notes(target, typed),
        next=(Next(f"heap owners {start:#x}", "who points to it"), Next(f"heap vis {start:#x} --count 1", "its bytes")),
    )


def _step(types: BlockTypes, step: Any) -> dict[str, Any]:
    """Return a step of a chain as JSON has it."""
    return {
        "place": f"{step.place:#x}",
        "holder": None if step.holder < 0 else f"{int(types.start[step.holder]):#x}",
        "member": short_name(step.member),
        "target": f"{int(types.start[step.target]):#x}",
    }


COMMAND = Command(
    name="heap types",
    summary="Show what the heap holds, by type.",
    description=(
        "A block gets its name from what leads to it: a variable whose type is in the debug information, and from "
        "there typed pointers from block to block; the vtable of a C++ object; the containers of the C++ library. "
        "Lost blocks are named by what they point to and by similar blocks. A name is certain unless it says "
        "otherwise: likely, or perhaps one of several. A block without a type is named by its role (what "
        'dictEntry.key points to); the rest is unknown. [] marks arrays; "block with TYPE at +0x1000" is something '
        "else with a TYPE in it, as behind a page of data or in a pool. Sizes are those of chunks, headers included.\n"
        "reachable and lost count blocks, by the rules of `heap leaks`."
    ),
    run=run,
    arguments=(
        Argument(
            "--type",
            "type",
            "List the blocks of this type: its name (struct, namespace and template arguments may be left out), or "
            "part of it.",
        ),
        Argument("--blocks", "flag", "Show a row for each block instead of each type."),
        Argument(
            "--containers",
            "flag",
            "Show how full C++ containers are, by type, and which strings are stored more than once.",
        ),
        Argument("--why", "expression", "Show how the type of the block that holds this address is known."),
        count_argument(),
    ),
    examples=(
        ("heap types", "what the heap holds, the most bytes first"),
        ("heap types --type order", "every block that is a struct order"),
        ("heap types --containers", "how many entries C++ containers have, and how much room is unused"),
        ("heap types --why p", "what p points to, and how that is known"),
    ),
)
