"""Who leads a lost cycle, against plain Python over every pair of blocks, and of trees and lists in objects."""

from __future__ import annotations

import random

import numpy as np
import pytest

from gdbheap.analysis.leaks.cycles import lead_by_owners
from gdbheap.analysis.pointers.adjacency import Adjacency
from gdbheap.analysis.pointers.graph import PointerEdges
from gdbheap.analysis.pointers.reach import UNSEEN, find_heads

# Pointers: from, to, how far inside.
Edges = list[tuple[int, int, int]]


def owners(sizes: list[int], edges: Edges, held: frozenset[int] = frozenset()) -> tuple[list[int], list[int]]:
    """Return the owner of each block before and after."""
    rows = np.array(sorted(edges), np.int64).reshape(-1, 3)
    source, target = rows[:, 0].astype(np.int32), rows[:, 1].astype(np.int32)
    none = np.zeros(len(rows), np.uint32)
    graph = PointerEdges(source, none, target, rows[:, 2].astype(np.uint32), np.zeros((len(sizes), 2), np.uint64), 0)
    owner = np.full(len(sizes), UNSEEN, np.int32)
    owner[list(held)] = len(sizes)
    lost = owner == UNSEEN
    among = lost[source] & lost[target]
    find_heads(Adjacency(len(sizes), source, target), source[among], target[among], owner)
    before = owner.tolist()
    lead_by_owners(graph, np.array(sizes, np.uint64), owner)
    return before, owner.tolist()


def reached(count: int, edges: Edges) -> list[list[bool]]:
    found = [[source == target for target in range(count)] for source in range(count)]
    for source, target, _ in edges:
        found[source][target] = True
    for middle in range(count):
        for source in range(count):
            if found[source][middle]:
                found[source] = [a or b for a, b in zip(found[source], found[middle])]
    return found


def leader(head: int, sizes: list[int], edges: Edges, leads: list[list[bool]]) -> int:
    """Return the block of the head's cycle that owns the others."""
    cycle = [block for block in range(len(sizes)) if leads[head][block] and leads[block][head]]
    hit = {target for source, target, offset in edges if offset == 0 and source in cycle and source != target}
    alike = [sizes[block] for block in cycle]
    return min(cycle, key=lambda block: (block in hit, alike.count(sizes[block]), block))


@pytest.mark.parametrize("round", range(150))
def test_random_graphs(round):
    rng = random.Random(f"cycles {round}")
    count = rng.randint(1, 14)
    edges = list({(rng.randrange(count), rng.randrange(count), rng.choice((0, 0, 8))) for _ in range(count * 3 // 2)})
    sizes = [rng.choice((32, 48, 112)) for _ in range(count)]
    leads = reached(count, edges)
    roots = {block for block in range(count) if rng.random() < 0.1}
    held = frozenset(block for block in range(count) if any(leads[root][block] for root in roots))
    before, after = owners(sizes, edges, held)
    leaders = {each: each if each == count else leader(each, sizes, edges, leads) for each in before}
    assert after == [leaders[each] for each in before], (sizes, edges, held)


# Blocks 0 and 1 are the nodes, 2 is the object with the header.
TREE = [(2, 0, 0), (0, 1, 0), (1, 0, 0), (0, 2, 8)]
LIST_AT_ITS_START = [(2, 0, 0), (0, 1, 0), (1, 0, 0), (1, 2, 0), (0, 2, 0), (2, 1, 0)]
LINUX_LIST = [(2, 0, 8), (0, 1, 8), (1, 0, 8), (1, 2, 8), (0, 2, 8), (2, 1, 8)]


@pytest.mark.parametrize("edges", [TREE, LIST_AT_ITS_START, LINUX_LIST])
def test_a_lost_object_leads_its_nodes_wherever_they_lie(edges):
    assert owners([48, 48, 112], edges) == ([0, 0, 0], [2, 2, 2])


def test_of_blocks_alike_the_lowest_leads_and_what_hangs_on_a_cycle_stays_there():
    ring = [(0, 1, 0), (1, 2, 0), (2, 0, 0), (2, 3, 0)]
    assert owners([48, 48, 48, 16], ring) == ([0, 0, 0, 0], [0, 0, 0, 0])
