"""What the page of `heap report` draws beside the commands' answers: maps of arenas, what is held, who owns whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from gdbheap.analysis.retained.collapsed import HOLDER, OTHER_HOLDERS, CollapsedGraph, CollapsedNode, collapse
from gdbheap.analysis.retained.nearest import LOST, Nearest, nearest_holders
from gdbheap.counted import counted
from gdbheap.glibc.naming import arena_name
from gdbheap.lazy import np
from gdbheap.pictures.dot import DotEdge, DotNode, dot_text
from gdbheap.pictures.heap_map_svg import place_facts, words_of
from gdbheap.report.printable import human_size, printable
from gdbheap.session.retained import shared_name
from gdbheap.tables.retained_rows import RetainedRows

if TYPE_CHECKING:
    from gdbheap.analysis.chunk_use.heap_map import HeapMap
    from gdbheap.analysis.retained.owner_paths import OwnerPath

# Paths that hold less than this part of all are told together.
_SMALL = 0.002
_MOST_HOLDERS, _MOST_KINDS = 7, 12
_OTHERS = "smaller ones"


def map_facts(found: HeapMap, rows: RetainedRows | None) -> dict[str, Any]:
    """Return a map as JSON: columns with a value for each cell, and what the largest block in each is and who holds
    it, where that is known."""
    begins = np.flatnonzero(found.first).tolist()
    ends = [*begins[1:], len(found)]
    names = _Names(rows)
    cells = [names.of(int(row)) for row in found.largest.tolist()]
    return {
        "arena": arena_name(found.arena),
        "cell": found.cell,
        "stretches": [[f"{int(found.start[begin]):#x}", end - begin] for begin, end in zip(begins, ends)],
        "bytes": {kind: column.tolist() for kind, column in found.bytes.items() if column.any() or kind == "live"},
        "totals": found.totals(),
        "words": words_of(found),
        "pages_known": found.pages_known,
        "what": [what for what, _ in cells],
        "who": [who for _, who in cells],
        "names": names.names,
        "holders": names.holders,
        "place": place_facts(found),
    }


class _Names:
    """What blocks are called and who holds them, each told once."""

    def __init__(self, rows: RetainedRows | None) -> None:
        self._rows = rows
        self._nearest = None if rows is None else nearest_holders(rows.found)
        self._what: dict[int, int] = {}
        self._who: dict[int, int] = {}
        self.names: list[str] = []
        self.holders: list[str] = []

    def of(self, row: int) -> tuple[int, int]:
        """Return the numbers of what the chunk of this row of the table is, and of who holds it; -1 unknown."""
        if row < 0 or self._rows is None or self._nearest is None:
            return -1, -1
        heap = self._rows.target.heap()
        block = self._rows.found.held.blocks.find(int(heap.table.address[row]) + heap.layout.header)
        if block is None:
            return -1, -1
        code, node = int(self._rows.kinds.code[block]), int(self._nearest.node[block])
        if code not in self._what:
            self._what[code] = len(self.names)
            self.names.append(printable(self._rows.kinds.name(block)))
        if node not in self._who:
            self._who[node] = len(self.holders)
            self.holders.append(printable(self._holder(self._rows, self._nearest, node)))
        return self._what[code], self._who[node]

    @staticmethod
    def _holder(rows: RetainedRows, nearest: Nearest, node: int) -> str:
        if node == LOST:
            return "nobody: it is lost"
        if node >= 0:
            return rows.name(node).name
        return f"{shared_name(rows.target, rows.found, nearest.shared[-2 - node])} together"


def held_tree(paths: Sequence[OwnerPath]) -> dict[str, Any]:
    """Return what is held as a tree, from the holders down over types: each node with its `name`, its `own` bytes, and
    the `blocks` in it and below it. What is small is told together."""
    total = sum(path.bytes for path in paths)
    root = _Node("all")
    for path in paths:
        root.add(path.frames, path.bytes, path.blocks)
    return root.json(total * _SMALL)


class _Node:
    def __init__(self, name: str) -> None:
        self.name = name
        self.own = self.bytes = self.blocks = 0
        self.below: dict[str, _Node] = {}

    def add(self, frames: Iterable[str], size: int, blocks: int) -> None:
        node = self
        for frame in (None, *frames):
            if frame is not None:
                node = node.below.setdefault(frame, _Node(frame))
            node.bytes += size
            node.blocks += blocks
        node.own += size

    def json(self, least: float) -> dict[str, Any]:
        large = [each for each in self.below.values() if each.bytes >= least]
        small = [each for each in self.below.values() if each.bytes < least]
        found: dict[str, Any] = {"name": printable(self.name), "own": self.own, "blocks": self.blocks}
        children = [each.json(least) for each in sorted(large, key=lambda each: -each.bytes)]
        if small:
            size, blocks = sum(each.bytes for each in small), sum(each.blocks for each in small)
            children.append({"name": f"{len(small):,} {_OTHERS}", "own": size, "blocks": blocks})
        if children:
            found["children"] = children
        return found


def owner_facts(rows: RetainedRows, graph: CollapsedGraph) -> dict[str, Any]:
    """Return the graph of owners as JSON."""
    return {
        "nodes": [
            {
                "id": number,
                "kind": each.kind,
                "name": printable(_node_name(rows, each)),
                "bytes": each.bytes,
                "blocks": each.blocks,
            }
            for number, each in enumerate(graph.nodes)
        ],
        "edges": [{"from": source, "to": target, "pointers": count} for source, target, count in graph.edges],
    }


def owner_dot(rows: RetainedRows) -> str:
    """Return the graph of owners for Graphviz."""
    graph = owner_graph(rows)
    nodes = [
        DotNode(number, (_node_name(rows, each), _size(each)), each.kind == HOLDER)
        for number, each in enumerate(graph.nodes)
    ]
    edges = [DotEdge(source, target, f"{count:,}") for source, target, count in graph.edges]
    return dot_text(nodes, edges)


def _size(node: CollapsedNode) -> str:
    holds = f"retains {human_size(node.bytes)}"
    is_holder = node.kind in (HOLDER, OTHER_HOLDERS)
    return holds if is_holder else f"{human_size(node.bytes)} in {counted(node.blocks, 'block')}"


def owner_graph(rows: RetainedRows) -> CollapsedGraph:
    """Return who points to whom, by the largest holders and by types."""
    code = rows.kinds.code
    kinds, examples, place = np.unique(code, return_index=True, return_inverse=True)
    containers = np.array([_is_container(rows.kinds.name(block)) for block in examples.tolist()], np.bool_)
    is_container = containers[place] if len(kinds) else np.zeros(0, np.bool_)
    return collapse(rows.found, code, is_container, _MOST_HOLDERS, _MOST_KINDS)


def _is_container(name: str) -> bool:
    """Whether blocks called so are a container's inside: nodes of the C++ library, arrays of pointers."""
    return name.startswith(("std::", "__gnu_cxx::")) or name.endswith("*[]")


def _node_name(rows: RetainedRows, node: CollapsedNode) -> str:
    if node.example < 0:
        return node.kind.replace("_", " ")
    return rows.kinds.name(node.example) if node.example < rows.found.blocks else rows.name(node.example).name
