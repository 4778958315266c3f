"""The pointer graph of images made by hand: what counts as a pointer, across buffers and holes."""

from __future__ import annotations

import pytest

from gdbheap.analysis.pointers import graph as graphs
from gdbheap.analysis.pointers.graph import PointerFilter, read_graph, read_pointers
from gdbheap.analysis.pointers.pointer_scan import PointerScan
from gdbheap.machine.machines import machine_of_size
from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.memory import ImageMemory
from support.kernels import kernels as kernels
from support.made_graph import BASE, PAGE, blocks_of, edges


def image(words: dict[int, int], pages: int, pointer_size: int = 8) -> bytes:
    """Return `pages` pages with these words, {offset from BASE: value}."""
    data = bytearray(pages * PAGE)
    for offset, value in words.items():
        data[offset : offset + pointer_size] = value.to_bytes(pointer_size, "little")
    return bytes(data)


@pytest.mark.parametrize("word", [8, 4])
def test_words_that_point_into_a_block_are_edges_and_no_others(word):
    spans = [(0x10, 0x28), (0x40, 0x18), (0x100, 0x400)]
    words = {
        0x10: BASE + 0x40,  # to a start
        0x18: BASE + 0x57,  # to the last byte
        0x20: BASE + 0x58,  # past the end: nobody's
        0x30: BASE + 0x38,  # the last word of the first block, to what lies between
        0x38: BASE + 0x100,  # between the blocks: no edge
        0x40: BASE + 0x40,  # to itself
        0x108: BASE + 0x110,  # to the inside of itself
        0x200: BASE - 8,
        0x208: BASE + 0x500,
    }
    graph = read_graph(ImageMemory([(BASE, image(words, 1, word))]), blocks_of(spans), machine_of_size(word))
    assert edges(graph) == {(0, 1, 0), (0, 1, 0x17), (1, 1, 0), (2, 2, 0x10)}
    assert graph.place.tolist() == [0x0, 0x8, 0x0, 0x8]
    assert graph.unread == 0


def test_heads_are_the_first_sixteen_bytes_even_where_a_buffer_ends(monkeypatch):
    monkeypatch.setattr(graphs, "_BUFFER", PAGE)
    spans = [(0x10, 0x20), (PAGE - 8, 0x100), (3 * PAGE - 0x20, 0x18)]
    words = {0x10: 1, 0x18: 2, PAGE - 8: 3, 3 * PAGE - 0x20: 5, 3 * PAGE - 0x18: 6}
    graph = read_graph(ImageMemory([(BASE, image(words, 4))]), blocks_of(spans), X86_64)
    assert graph.head.tolist() == [[1, 2], [3, 0], [5, 6]]


def test_pointers_are_found_on_both_sides_of_a_buffers_end(monkeypatch):
    monkeypatch.setattr(graphs, "_BUFFER", PAGE)
    spans = [(0x10, 3 * PAGE)]
    words = {PAGE - 8: BASE + 0x10, PAGE: BASE + 0x18, 2 * PAGE + 8: BASE + 0x20}
    graph = read_graph(ImageMemory([(BASE, image(words, 4))]), blocks_of(spans), X86_64)
    assert edges(graph) == {(0, 0, 0), (0, 0, 8), (0, 0, 16)}


def test_unreadable_pages_are_left_out_and_counted():
    data = image({0x10: BASE + 0x10, 2 * PAGE: BASE + 0x10}, 3)
    memory = ImageMemory([(BASE, data[:PAGE]), (BASE + 2 * PAGE, data[2 * PAGE :])])
    blocks = blocks_of([(0x10, 3 * PAGE - 0x10)])
    assert read_graph(memory, blocks, X86_64).unread == PAGE
    pointers, unread = read_pointers(memory, PointerFilter(blocks, X86_64), [(BASE, BASE + 3 * PAGE)])
    assert (pointers.place.tolist(), unread) == ([BASE + 0x10, BASE + 2 * PAGE], PAGE)


def test_a_root_that_begins_or_ends_within_a_word_gives_whole_words_alone():
    memory = ImageMemory([(BASE, image({0x40: BASE + 0x80, 0x48: BASE + 0x80, 0x50: BASE + 0x80}, 1))])
    pointers, _ = read_pointers(memory, PointerFilter(blocks_of([(0x80, 0x10)]), X86_64), [(BASE + 0x41, BASE + 0x57)])
    assert pointers.place.tolist() == [BASE + 0x48]


def test_no_blocks_have_no_pointers():
    memory = ImageMemory([(BASE, image({0x10: BASE}, 1))])
    assert len(read_graph(memory, blocks_of([]), X86_64).source) == 0
    assert len(read_pointers(memory, PointerFilter(blocks_of([]), X86_64), [(BASE, BASE + PAGE)])[0]) == 0


def test_words_that_point_into_files_are_kept_as_they_pass():
    spans = [(0x10, 0x50)]
    words = {0x18: 0x400010, 0x20: BASE + 0x10, 0x28: 0x500000, 0x30: 0x7F0000001000}
    scan = PointerScan(X86_64, [(BASE, BASE + PAGE)], [(0x400000, 0x500000), (0x7F0000000000, 0x7F0000002000)])
    graph = read_graph(ImageMemory([(BASE, image(words, 1))]), blocks_of(spans), X86_64, None, scan)
    assert graph.static is not None
    assert graph.static.place.tolist() == [BASE + 0x18, BASE + 0x30]
    assert graph.static.word.tolist() == [0x400010, 0x7F0000001000]
    assert edges(graph) == {(0, 0, 0)}
