"""A small graph in Graphviz's language."""

from __future__ import annotations

from collections.abc import Iterable

from gdbheap.lazy import dataclass
from gdbheap.report.printable import printable


@dataclass(frozen=True)
class DotNode:
    """`lines` are what stands in the box, which has corners where it `is_root`."""

    id: int
    lines: tuple[str, ...]
    is_root: bool = False


@dataclass(frozen=True)
class DotEdge:
    source: int
    target: int
    label: str = ""


def dot_text(nodes: Iterable[DotNode], edges: Iterable[DotEdge]) -> str:
    """Return the graph, from left to right."""
    lines = [
        "digraph heap {",
        "  rankdir=LR;",
        '  node [shape=box, fontname="monospace"];',
        '  edge [fontname="monospace"];',
    ]
    for node in nodes:
        style = "bold" if node.is_root else "rounded"
        lines.append(f"  n{node.id} [label={_quoted(*node.lines)}, style={style}];")
    for edge in edges:
        label = f" [label={_quoted(edge.label)}]" if edge.label else ""
        lines.append(f"  n{edge.source} -> n{edge.target}{label};")
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(*lines: str) -> str:
    """Return lines as one quoted text, in which nothing stands for anything else."""
    text = "\\n".join(printable(line).replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return f'"{text}"'
