"""heap view: a block as its type, and the list or tree that starts there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gdbheap.counted import counted
from gdbheap.errors import MemoryFault, UsageError
from gdbheap.glibc.chunk_table import State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.interface.command import Argument, Command
from gdbheap.report.printable import cut_end, printable
from gdbheap.report.report import ABSENT, Column, Line, Report
from gdbheap.session.debugger import TypedMemory
from gdbheap.session.target import Target
from gdbheap.types.links import Link, links_named, links_to_follow
from gdbheap.types.short_names import short_name

_COLUMNS = (
    Column("number", "count"),
    Column("address", "address", "address"),
    Column("mem", "address", "mem"),
    Column("offset", "size"),
    Column("size", "size", "size"),
    Column("state", "text", "state"),
    Column("type", "text", "symbol"),
    Column("confidence", "text"),
    Column("via", "text"),
    Column("value", "text"),
)
# Nodes of a list are one line each, cut here.
_LINE = 400
_MOST_NODES = 1 << 16
# What is no longer is shown in one line, though there is nothing else to show.
_SHORT = 110
_INDENT = "    "
_OUTSIDE = "outside"
_STATES = {"in_use": ("state", "in use"), _OUTSIDE: ("state", "not in the heap")}


@dataclass(frozen=True)
class _Node:
    """A struct of the list or tree: where it lies, and the link (of node number `of`) that leads to it."""

    address: int
    of: int
    link: str


@dataclass(frozen=True)
class _End:
    """A link that leads to no further node, and why."""

    of: int
    link: str
    word: int | None
    why: str


class _Walk:
    """Nodes in the order of their distance from the first, each once; what ends there is kept."""

    def __init__(self, target: Target, view: HeapView, links: list[Link], most: int) -> None:
        self.nodes: list[_Node] = []
        self.ends: list[_End] = []
        self.cut = False
        self._target = target
        self._view = view
        self._links = links
        self._most = most
        self._seen: dict[int, int] = {}

    def from_node(self, address: int) -> None:
        """Follow the links from this node on."""
        self._visit(address, 0, "")
        at = 0
        while at < len(self.nodes) and not self.cut:
            node = self.nodes[at]
            at += 1
            if at == 1 or is_live(self._view, node.address):
                for link in self._links:
                    self._follow(at, node, link)

    def _visit(self, address: int, of: int, link: str) -> None:
        self.nodes.append(_Node(address, of, link))
        self._seen[address] = len(self.nodes)

    def _follow(self, of: int, node: _Node, link: Link) -> None:
        try:
            word = self._target.process.words.read(node.address + link.offset)
        except MemoryFault:
            self.ends.append(_End(of, link.name, None, "cannot be read"))
            return
        if not word:
            return
        address = word - link.inside
        if address in self._seen:
            self.ends.append(_End(of, link.name, word, f"node {self._seen[address]} again"))
        elif self._view.user_of(word) is None:
            self.ends.append(_End(of, link.name, word, self._outside(word)))
        elif not link.sure and not self._alike(node.address, address):
            # A first node that so leads on is no node, but has the list.
            if of > 1:
                self.ends.append(_End(of, link.name, word, "in a block of another kind"))
        elif len(self.nodes) >= self._most:
            self.cut = True
        else:
            self._visit(address, of, link.name)

    def _alike(self, one: int, other: int) -> bool:
        """Whether two addresses lie at the same place in chunks of the same size."""
        chunks = self._view.user_of(one), self._view.user_of(other)
        if chunks[0] is None or chunks[1] is None or chunks[0].size != chunks[1].size:
            return False
        return one - chunks[0].address == other - chunks[1].address

    def _outside(self, word: int) -> str:
        symbol = self._target.symbol_at(word)
        return f"{symbol}, which is no heap block" if symbol is not None else "not in the heap"


def is_live(view: HeapView, address: int) -> bool:
    """Whether the address is in the user's part of a block in use."""
    chunk = view.user_of(address)
    return chunk is not None and chunk.state is State.IN_USE


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Show the block; where its type points to more of its kind, follow that."""
    address, text = arguments["address"]
    view = target.heap()
    address, kind = _what(target, text, arguments["as"], address)
    links = _links(kind, arguments["by"])
    limit = arguments["count"] or _MOST_NODES
    walk = _Walk(target, view, links, limit)
    walk.from_node(address)
    one = len(walk.nodes) == 1
    rows = [_row(view, kind, number, node, not one) for number, node in enumerate(walk.nodes, 1)]
    return Report(
        command="heap view",
        columns=_COLUMNS,
        rows=rows,
        display_rows=list(_display(rows, walk)),
        after=tuple(_after(walk, kind, links, limit)),
        totals={"nodes": len(rows), "followed": ", ".join(each.name for each in links)},
        totals_shown=False,
        notes=view.notes,
        faults=view.faults,
    )


def _what(target: Target, text: str, wanted: str | None, address: int) -> tuple[int, TypedMemory]:
    """Return the address and the type of what is to be shown; UsageError where nothing tells the type."""
    if wanted:
        kind = target.typed(wanted)
        if kind is None:
            raise UsageError(f"gdb knows no type {wanted!r}")
        return address, kind
    found = target.pointed_to(text)
    if found is None:
        raise UsageError(
            f"nothing tells the type of what lies at {address:#x}: `heap view {text} --as TYPE` shows it as a TYPE, "
            f"`heap vis {address:#x}` as words"
        )
    return found


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


def _row(view: HeapView, kind: TypedMemory, number: int, node: _Node, one_line: bool) -> tuple[Any, ...]:
    chunk = view.user_of(node.address)
    where: tuple[Any, ...] = (ABSENT, ABSENT, ABSENT, _OUTSIDE)
    if chunk is not None:
        mem = chunk.address + view.layout.header
        where = (mem, node.address - mem, chunk.size, chunk.state.label)
    via = f"{node.of}.{node.link}" if node.of else ABSENT
    value = kind.show(node.address, one_line=True)
    if not one_line and len(value) > _SHORT:
        value = kind.show(node.address)
    return (number, node.address, *where, kind.name, ABSENT, via, value)


def _display(rows: list[tuple[Any, ...]], walk: _Walk) -> Iterator[Line]:
    for row in rows:
        yield _headline(row, len(rows) > 1)
        for line in row[9].splitlines():
            yield Line.plain(_INDENT + cut_end(printable(line), _LINE))
        for end in walk.ends:
            if end.of == row[0]:
                word = "" if end.word is None else f" {end.word:#x}"
                yield Line.plain(f"{_INDENT}{end.link} →{word}: {printable(end.why)}", "note")


def _headline(row: tuple[Any, ...], many: bool) -> Line:
    number, address, mem, offset, size, state, name, _, via, _ = row
    pieces = [("dim", f"{number:>3}  ")] if many else []
    pieces += [("address", f"{address:#x}"), ("", "  "), ("symbol", printable(short_name(name))), ("", "  ")]
    pieces.append(_STATES.get(state, ("fault", f"free ({state.replace('_', ' ')})")))
    if mem is not ABSENT:
        inside = f", {offset:#x} bytes into the block at {mem:#x}" if offset else ""
        pieces.append(("dim", f", chunk of {size:#x}{inside}"))
    if via is not ABSENT:
        of, _, link = via.partition(".")
        pieces.append(("dim", f"  ← {link} of {of}"))
    return Line(tuple(pieces))


def _after(walk: _Walk, kind: TypedMemory, links: list[Link], limit: int) -> Iterator[Line]:
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
        "The block is printed as gdb prints its type, pretty-printers included, without calling or changing anything "
        "in the program. Where the type has members that point to the same type (next; left and right; a list_head; "
        "a std::unique_ptr), they are followed, nearest nodes first, and each node is shown with the state of its "
        "chunk: a node that has been freed stands out. A list that goes round in a circle ends where it meets itself."
    ),
    run=run,
    arguments=(
        Argument("ADDRESS", "object", "A pointer to the block, or any address in it.", required=True),
        Argument("--as", "type", "Show it as this type (\"struct order\", 'Shape')."),
        Argument("--by", "name", "Follow this member alone; none follows nothing."),
        Argument("--count", "count", "Show at most this many nodes; 0 shows all.", default=20),
    ),
    examples=(
        ("heap view p", "what p points to, and what follows it"),
        ("heap view head --by prev --count 5", "five nodes of a list, backwards"),
        ("heap view 0x5555555592a0 --as 'struct order'", "a block by its address"),
    ),
)
