"""Verdicts on graphs made by hand, as memcheck's manual has them (Memory leak detection: the nine cases)."""

from __future__ import annotations

import numpy as np

from gdbheap.allocators.blocks import Blocks
from gdbheap.analysis.leaks.leaks import LeakKind, Leaks, judge
from gdbheap.analysis.pointers.graph import PointerEdges, Pointers
from gdbheap.analysis.pointers.pointer_graph import PointerGraph
from gdbheap.analysis.pointers.roots import Roots

Pointer = tuple[int, int, int]


def judged(
    count: int,
    edges: list[Pointer],
    roots: list[tuple[int, int]],
    accept: frozenset[int] = frozenset(),
    blind: bool = False,
    untouched: tuple[int, ...] = (),
) -> Leaks:
    """Judge `count` blocks with edges (source, target, offset) and roots (target, offset). Interior pointers with an
    offset in `accept` count as pointers to the start; the blocks `untouched` begin with what malloc left there."""
    start = np.arange(count, dtype=np.uint64) * np.uint64(0x100) + np.uint64(0x1000)
    size = np.full(count, 0x100, np.uint64)
    blocks = Blocks(start, start + np.uint64(0xF8), size, np.arange(count))
    source, target, offset = zip(*sorted(edges)) if edges else ((), (), ())
    graph = PointerEdges(
        np.array(source, np.int32),
        np.zeros(len(edges), np.uint32),
        np.array(target, np.int32),
        np.array(offset, np.uint32),
        np.zeros((count, 2), np.uint64),
        0,
    )
    targets, offsets = zip(*roots) if roots else ((), ())
    words = Pointers(np.zeros(len(roots), np.uint64), np.array(targets, np.int32), np.array(offsets, np.uint32))
    held = PointerGraph(blocks, graph, Roots((), ()), words, (), 0, blind, np.empty(0, np.int32))
    mask = np.isin(np.arange(count), untouched)
    return judge(held, lambda pointers: np.isin(pointers.offset, list(accept)), mask)


def doubted(leaks: Leaks) -> list[int]:
    """Return the blocks that are held by remains alone."""
    return np.flatnonzero(leaks.by_remains).tolist()


def letters(leaks: Leaks) -> str:
    """Return a letter for each block: d, i, p, r (or u)."""
    return "".join(
        LeakKind(each).label[0] if each != LeakKind.STILL_REACHABLE else "r" for each in leaks.verdict.tolist()
    )


def test_the_nine_cases_of_memchecks_manual():
    to_start, inside = 0, 8
    assert letters(judged(1, [], [(0, to_start)])) == "r"
    assert letters(judged(2, [(0, 1, to_start)], [(0, to_start)])) == "rr"
    assert letters(judged(1, [], [])) == "d"
    assert letters(judged(2, [(0, 1, to_start)], [])) == "di"
    assert letters(judged(1, [], [(0, inside)])) == "p"
    assert letters(judged(2, [(0, 1, inside)], [(0, to_start)])) == "rp"
    assert letters(judged(2, [(0, 1, to_start)], [(0, inside)])) == "pp"
    assert letters(judged(2, [(0, 1, inside)], [(0, inside)])) == "pp"
    assert letters(judged(2, [(0, 1, inside)], [])) == "di"


def test_a_chain_of_pointers_to_starts_outweighs_one_with_a_pointer_inside():
    assert letters(judged(3, [(0, 2, 0), (1, 2, 8)], [(0, 0), (1, 0)])) == "rrr"
    assert letters(judged(3, [(0, 1, 8), (1, 2, 0), (2, 1, 0)], [(0, 0), (2, 0)])) == "rrr"


def test_what_a_heuristic_accepts_holds_all_behind_it():
    leaks = judged(3, [(0, 1, 8), (1, 2, 0)], [(0, 16)], accept=frozenset({8, 16}))
    assert letters(leaks) == "rrr"
    assert leaks.by_heuristic.tolist() == [True, True, True]
    assert letters(judged(3, [(0, 1, 8), (1, 2, 0)], [(0, 0)], accept=frozenset({16}))) == "rpp"


def test_a_block_that_is_reachable_directly_needs_no_heuristic():
    leaks = judged(2, [(0, 1, 8), (0, 1, 0)], [(0, 0)], accept=frozenset({8}))
    assert leaks.by_heuristic.tolist() == [False, False]


def test_a_root_of_a_leak_is_one_though_its_child_points_back():
    leaks = judged(3, [(0, 1, 0), (1, 0, 0), (1, 2, 0)], [])
    assert letters(leaks) == "dii"
    assert leaks.head.tolist() == [0, 0, 0]


def test_a_cycle_that_another_lost_block_leads_to_hangs_on_that_one():
    leaks = judged(4, [(0, 1, 0), (1, 0, 0), (3, 1, 0)], [(2, 0)])
    assert letters(leaks) == "iird"
    assert leaks.head.tolist() == [3, 3, -1, 3]


def test_nothing_is_called_lost_where_memory_is_missing():
    assert letters(judged(3, [(1, 2, 0)], [(0, 0)], blind=True)) == "ruu"


def test_what_only_a_block_that_was_never_written_leads_to_is_in_doubt_with_all_behind_it():
    leaks = judged(4, [(0, 1, 0), (1, 2, 0), (2, 3, 0)], [(0, 0)], untouched=(1,))
    assert (letters(leaks), doubted(leaks)) == ("rrrr", [2, 3])


def test_what_something_else_leads_to_as_well_is_in_no_doubt():
    edges = [(0, 1, 0), (1, 2, 0), (2, 3, 0)]
    assert doubted(judged(4, edges, [(0, 0), (2, 0)], untouched=(1,))) == []
    assert doubted(judged(4, edges, [(0, 0), (3, 0)], untouched=(1,))) == [2]
    assert doubted(judged(4, sorted([*edges, (0, 3, 0)]), [(0, 0)], untouched=(1,))) == [2]


def test_an_interior_pointer_ends_the_doubt_only_where_a_heuristic_accepts_it():
    edges = [(0, 1, 0), (0, 2, 8), (1, 2, 0)]
    assert doubted(judged(3, edges, [(0, 0)], untouched=(1,))) == [2]
    assert doubted(judged(3, edges, [(0, 0)], accept=frozenset({8}), untouched=(1,))) == []
    assert doubted(judged(3, edges[::2], [(0, 0), (2, 16)], accept=frozenset({16}), untouched=(1,))) == []


def test_a_cycle_behind_a_block_that_was_never_written_does_not_hold_itself():
    assert doubted(judged(4, [(0, 1, 0), (1, 2, 0), (2, 3, 0), (3, 2, 0)], [(0, 0)], untouched=(1,))) == [2, 3]


def test_what_no_root_leads_to_holds_nothing_in_doubt():
    leaks = judged(2, [(0, 1, 0)], [], untouched=(0,))
    assert (letters(leaks), doubted(leaks)) == ("di", [])


def test_no_blocks_no_verdicts():
    assert letters(judged(0, [], [])) == ""
