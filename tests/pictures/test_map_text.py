"""The map of an arena in letters, and a bar of parts: whole, in signs that ASCII can stand in for."""

from __future__ import annotations

from gdbheap.analysis.chunk_use.heap_map import heap_map
from gdbheap.pictures.bar_text import bar_line
from gdbheap.pictures.dot import DotEdge, DotNode, dot_text
from gdbheap.pictures.map_text import map_lines
from gdbheap.process.live.resident_pages import ResidentPages
from gdbheap.report.charset import in_charset
from gdbheap.report.line_text import line_text
from gdbheap.report.paint import plain
from support.made_process import HEAP, made_heap


def text_of(lines) -> str:
    return "".join(line_text(line, 80, plain) for line in lines)


def test_the_map_of_a_heap_whose_top_is_half_touched():
    pages = ResidentPages([(HEAP, HEAP + 0x10000)])
    lines = text_of(map_lines(heap_map(made_heap(), 0, pages, 1024), 64))
    # Cells of 256 bytes: 3 of the block in use, 61 and three rows of top that was touched, then what was not.
    assert lines == (
        f"{HEAP:#x} ███{'^' * 61}\n"
        + "".join(f"{HEAP + 0x4000 * row:#x} {'^' * 64}\n" for row in (1, 2, 3))
        + f"{HEAP + 0x10000:#x} {'_' * 64}\n"
        + f"{'':{len(hex(HEAP))}} … 4 more rows of top, not in memory, 52 KiB\n"
        + "  █▓▒ in use: 768 B (nearly all of the cell, half, less)\n"
        + "  ^   top, in memory: 63 KiB\n"
        + "  _   top, not in memory: 68 KiB\n"
    )
    assert in_charset(lines, "ascii").isascii() and "###^" in in_charset(lines, "ascii")
    assert all(len(line) < 80 for line in lines.splitlines())


def test_a_bar_has_a_letter_for_each_part_as_long_as_its_share():
    assert text_of(bar_line([50, 25, 0, 25], 8)) == "[AAAABBDD]\n"
    assert text_of(bar_line([0, 0])) == ""


def test_a_graph_for_graphviz_holds_names_as_text():
    nodes = [DotNode(0, ('a "b" \\n', "1 KiB"), True), DotNode(1, ("x\x1b",))]
    assert dot_text(nodes, [DotEdge(0, 1, "2")]) == (
        'digraph heap {\n  rankdir=LR;\n  node [shape=box, fontname="monospace"];\n  edge [fontname="monospace"];\n'
        '  n0 [label="a \\"b\\" \\\\n\\n1 KiB", style=bold];\n'
        '  n1 [label="x\\\\x1b", style=rounded];\n'
        '  n0 -> n1 [label="2"];\n}\n'
    )
