"""heap view: a block as its type, and the list or tree that starts there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from gdbheap.counted import counted
from gdbheap.errors import UsageError
from gdbheap.glibc.chunk_table import State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.interface.command import Argument, Command
from gdbheap.lazy import dataclass
from gdbheap.report.printable import cut_end, printable
from gdbheap.report.report import ABSENT, Absent, Facts, Line, Next, Prose, Report, Table
from gdbheap.report.rows import column, columns_of
from gdbheap.sentences.block_names import with_confidence
from gdbheap.sentences.facts.said import said_all
from gdbheap.sentences.faults import faults_section
from gdbheap.session.block_names import all_names
from gdbheap.session.debugger import TypedMemory
from gdbheap.session.node_walk import Node, NodeWalk
from gdbheap.session.target import Target
from gdbheap.types.links import Link, links_named, links_to_follow
from gdbheap.types.short_names import short_name


@dataclass(frozen=True)
class _Row:
    """A node."""

    number: int = field(metadata=column("count"))
    address: int = field(metadata=column("address", "address"))
    mem: int | Absent = field(metadata=column("address", "mem"))
    offset: int | Absent = field(metadata=column("size"))
    size: int | Absent = field(metadata=column("size", "size"))
    state: str = field(metadata=column("text", "state"))
    type: str = field(metadata=column("text", "symbol"))
    confidence: str | Absent = field(metadata=column())
    via: str | Absent = field(metadata=column())
    value: str = field(metadata=column())


# Nodes of a list are one line each, cut here.
_LINE = 400
_MOST_NODES = 1 << 16
# What is no longer is shown in one line, though there is nothing else to show.
_SHORT = 110
# A node's lines, where not all are asked for: containers in it may have thousands.
_LINES = 40
_INDENT = "    "
_OUTSIDE = "outside"
_STATES = {"in_use": ("state", "in use"), _OUTSIDE: ("state", "not in the heap")}


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Show the block; where its type points to more of its kind, follow that."""
    address, text = arguments["address"]
    view = target.heap()
    what = _what(target, text, arguments["as"], address)
    kind = what.kind
    links = _links(kind, arguments["by"]) if what.count == 1 else []
    limit = arguments["count"] or _MOST_NODES
    walk = NodeWalk(target, view, links, limit)
    walk.from_node(what.address)
    one = len(walk.nodes) == 1
    rows = [_row(view, what, number, node, not one) for number, node in enumerate(walk.nodes, 1)]
    return Report(
        "heap view",
        (
            Table(columns_of(_Row), rows, list(_display(rows, walk, _LINES if arguments["count"] else None))),
            Prose(tuple(_after(walk, kind, links, limit))),
            Facts({"nodes": len(rows), "followed": ", ".join(each.name for each in links)}, shown=False),
            faults_section(view.faults),
        ),
        notes=said_all(view.notes),
        next=tuple(_next(rows)),
    )


def _next(rows: Sequence[_Row]) -> Iterator[Next]:
    """Yield who points to the first node, where it lies in a block."""
    for row in rows[:1]:
        if isinstance(row.mem, int) and row.state == State.IN_USE.label:
            yield Next(f"heap owners {row.mem:#x}", "who points to it")
            yield Next(f"heap retained {row.mem:#x}", "what it keeps alive")


@dataclass(frozen=True)
class _What:
    """What is to be shown: `count` objects of a type from the address on. `confidence` is how sure the type is, where
    it is not the user's own."""

    address: int
    kind: TypedMemory
    count: int = 1
    confidence: str = ""


def _what(target: Target, text: str, wanted: str | None, address: int) -> _What:
    """Return it by the type that the user names, by that of the expression, by what is known of the block; UsageError
    where nothing tells the type."""
    if wanted:
        kind = target.typed(wanted)
        if kind is None:
            raise UsageError(f"gdb knows no type {wanted!r}")
        return _What(address, kind)
    found = target.pointed_to(text)
    what = _What(*found) if found is not None else _by_block(target, address)
    if what is None:
        raise UsageError(
            f"the type of what is at {address:#x} is not known: `heap view {text} --as TYPE` shows it as a TYPE, "
            f"`heap vis {address:#x}` as words"
        )
    return what


def _by_block(target: Target, address: int) -> _What | None:
    """Return the object, or the array, that the block which holds the address is known to be."""
    names = all_names(target)
    types = names.types
    block = names.find(address)
    confidence = names.type_at(address)[1]
    kind = None if block is None or confidence is None else target.typed(names.element_type(block))
    if block is None or kind is None:
        return None
    start = int(types.start[block]) + int(types.part[block])
    return _What(start, kind, max(int(types.count[block]), 1), confidence or "")


def _links(kind: TypedMemory, by: str | None) -> list[Link]:
    links = kind.links()
    if by is None:
        return links_to_follow(links)
    if by in ("none", ""):
        return []
    chosen = links_named(links, by)
    if not chosen:
        known = ", ".join(each.name for each in links)
        raise UsageError(
            f"{kind.name} has no member {by!r} that points to another {kind.name}"
            + (f"; there are: {known}" if known else "")
        )
    return chosen


def _row(view: HeapView, what: _What, number: int, node: Node, one_line: bool) -> _Row:
    chunk = view.user_of(node.address)
    where: tuple[int | Absent, int | Absent, int | Absent, str] = (ABSENT, ABSENT, ABSENT, _OUTSIDE)
    if chunk is not None:
        mem = chunk.address + view.layout.header
        where = (mem, node.address - mem, chunk.size, chunk.state.label)
    via = f"{node.of}.{node.link}" if node.of else ABSENT
    kind, count = what.kind, what.count
    value = kind.show(node.address, count, one_line=True)
    if not one_line and len(value) > _SHORT:
        value = kind.show(node.address, count)
    name = kind.name + (f"[{count}]" if count > 1 else "")
    confidence = what.confidence if number == 1 else ABSENT
    return _Row(number, node.address, *where, name, confidence, via, value)


def _display(rows: list[_Row], walk: NodeWalk, most: int | None) -> Iterator[Line]:
    """Yield the lines of each node, `most` of its value; None for all."""
    for row in rows:
        yield _headline(row, len(rows) > 1)
        lines = row.value.splitlines()
        for line in lines[:most]:
            yield Line.plain(_INDENT + cut_end(printable(line), _LINE))
        if most is not None and len(lines) > most:
            yield Line.plain(f"{_INDENT}… {counted(len(lines) - most, 'more line')}: --count 0 shows all", "dim")
        for end in walk.ends:
            if end.of == row.number:
                word = "" if end.word is None else f" {end.word:#x}"
                yield Line.plain(f"{_INDENT}{end.link} →{word}: {printable(end.why)}", "note")


def _headline(row: _Row, many: bool) -> Line:
    name = with_confidence(row.type, row.confidence if isinstance(row.confidence, str) else "", ())
    pieces = [("dim", f"{row.number:>3}  ")] if many else []
    pieces += [("address", f"{row.address:#x}"), ("", "  "), ("symbol", printable(name)), ("", "  ")]
    pieces.append(_STATES.get(row.state, ("fault", f"free ({row.state.replace('_', ' ')})")))
    if isinstance(row.mem, int) and isinstance(row.offset, int):
        inside = f", {row.offset:#x} bytes into the block at {row.mem:#x}" if row.offset else ""
        pieces.append(("dim", f", chunk of {row.size:#x}{inside}"))
    if isinstance(row.via, str):
        of, _, link = row.via.partition(".")
        pieces.append(("dim", f"  ← {link} of {of}"))
    return Line(tuple(pieces))


def _after(walk: NodeWalk, kind: TypedMemory, links: list[Link], limit: int) -> Iterator[Line]:
    others = [each.name for each in kind.links() if each not in links]
    if walk.cut:
        yield Line.plain(f"… more nodes follow: --count 0 shows up to {_MOST_NODES:,}", "dim")
    if len(walk.nodes) == 1 and not (walk.ends or walk.cut) and not any(each.sure for each in links):
        return
    followed = " and ".join(dict.fromkeys(each.name for each in links)) or "nothing"
    also = f"; {short_name(kind.name)} also has {', '.join(others)} (--by {others[0]})" if others else ""
    yield Line.plain(f"{counted(len(walk.nodes), 'node')}, following {followed}{also}", "total")


COMMAND = Command(
    name="heap view",
    summary="Show a block as its type, and the list or tree that starts there.",
    description=(
        "The type is that of the expression; for a plain address, what `heap types` knows of the block. It is printed "
        "as gdb prints it, pretty-printers included, without calling or changing anything in the program. Members "
        "that point to the same type (next; left and right; a list_head; a std::unique_ptr) are followed, nearest "
        "nodes first, and each node is shown with the state of its chunk, so that a node that has been freed stands "
        "out. A circular list ends where it meets itself."
    ),
    run=run,
    arguments=(
        Argument("ADDRESS", "object", "A pointer to the block, or any address in it.", required=True),
        Argument("--as", "type", "Show it as this type (\"struct order\", 'Shape')."),
        Argument("--by", "name", "Follow only this member; none follows nothing."),
        Argument("--count", "count", "Show at most this many nodes, and 40 lines of each; 0 shows all.", default=20),
    ),
    examples=(
        ("heap view p", "what p points to, and what follows it"),
        ("heap view head --by prev --count 5", "five nodes of a list, backwards"),
        ("heap view 0x5555555592a0 --as 'struct order'", "a block by its address"),
    ),
)
