"""Who is reached and who heads what is lost, against plain Python over every pair of nodes."""

from __future__ import annotations

import random

import numpy as np
import pytest

from gdbheap.analysis.pointers import chains, reach
from gdbheap.analysis.pointers.adjacency import Adjacency
from gdbheap.analysis.pointers.reach import UNSEEN, find_heads, spread

Edges = list[tuple[int, int]]


def columns(edges: Edges) -> tuple[np.ndarray, np.ndarray]:
    pairs = np.array(sorted(edges), np.int32).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def reached_from(count: int, edges: Edges) -> list[set[int]]:
    """Return, for each node, all nodes that it leads to, itself among them."""
    onward: list[set[int]] = [set() for _ in range(count)]
    for source, target in edges:
        onward[source].add(target)
    found = []
    for node in range(count):
        seen, stack = {node}, [node]
        while stack:
            for target in onward[stack.pop()] - seen:
                seen.add(target)
                stack.append(target)
        found.append(seen)
    return found


def heads_of(count: int, edges: Edges) -> set[int]:
    """Return the lowest node of each strongly connected component that nothing outside of it leads to."""
    reached = reached_from(count, edges)
    heads = set()
    for node in range(count):
        into = [other for other in range(count) if node in reached[other]]
        if node == min(into) and all(other in reached[node] for other in into):
            heads.add(node)
    return heads


# Every path through the code, on graphs small enough for the plain answer: the sizes at which it turns from one way to
# another.
TURNS = {
    "as it is": {},
    "wide": {"_WIDE": 0},
    "at once": {"_WIDE": 0, "_TRIALS": 1, "_LARGE": 1 << 30, "_BATCH": 1},
    "one by one": {"_WIDE": 2, "_TRIALS": 2, "_LARGE": 0, "_BATCH": 1},
    "one by one in a table": {"_LONG": 0},
    "wide out of a table": {"_WIDE": 2, "_LONG": 1},
    "along chains": {"_LONG": 0, "_FEWEST": 0, "_LENGTH": 3},
    "along chains, wide": {"_LONG": 0, "_FEWEST": 0, "_LENGTH": 2, "_WIDE": 2},
    "along chains that are given up": {"_LONG": 0, "_FEWEST": 0, "_LENGTH": 1 << 31, "_MOST_STEPS": 2},
}


@pytest.fixture(params=TURNS.values(), ids=TURNS)
def turns(request, monkeypatch):
    for name, value in request.param.items():
        monkeypatch.setattr(chains if hasattr(chains, name) else reach, name, value)


def graphs(seed: int, how_many: int) -> list[tuple[int, Edges]]:
    print("seed", seed)
    choose = random.Random(seed)
    found = []
    for _ in range(how_many):
        count = choose.randrange(1, 30)
        edges = [(choose.randrange(count), choose.randrange(count)) for _ in range(choose.randrange(2 * count))]
        if choose.random() < 0.5:
            # Lists, and rings, with few other pointers.
            order = choose.sample(range(count), count)
            edges = edges[: choose.randrange(4)] + [
                pair for pair in zip(order, order[1:] + order[:1]) if choose.random() < 0.9
            ]
        found.append((count, edges))
    return found


def test_each_lost_node_hangs_on_a_head_that_leads_to_it(turns):
    for count, edges in graphs(5, 400):
        source, target = columns(edges)
        owner = np.full(count, UNSEEN, np.int32)
        find_heads(Adjacency(count, source, target), source, target, owner)
        assert set(owner.tolist()) == heads_of(count, edges), (count, edges)
        reached = reached_from(count, edges)
        assert all(node in reached[head] for node, head in enumerate(owner.tolist())), (count, edges)


def test_spreading_reaches_all_that_can_be_reached_and_enters_nothing_owned(turns):
    for count, edges in graphs(6, 400):
        source, target = columns(edges)
        owner = np.full(count, UNSEEN, np.int32)
        closed = {node for node in range(count) if node % 5 == 4}
        owner[list(closed)] = count
        front = [node for node in range(0, count, 7) if node not in closed]
        owner[front] = front
        spread(Adjacency(count, source, target), np.array(front, np.int32), owner)
        open_edges = [(one, two) for one, two in edges if one not in closed and two not in closed]
        reached = reached_from(count, open_edges)
        expected = set().union(*(reached[node] for node in front)) | closed
        assert set(np.flatnonzero(owner != UNSEEN).tolist()) == expected, (count, edges)


def test_a_list_a_ring_and_pairs_of_many_nodes_end_in_their_heads():
    count = 100_000
    shuffled = np.random.default_rng(7).permutation(count).astype(np.int32)
    ring = (shuffled, np.roll(shuffled, -1))
    both_ways = (np.concatenate((shuffled[:-1], shuffled[1:])), np.concatenate((shuffled[1:], shuffled[:-1])))
    pairs = shuffled.reshape(-1, 2)
    for (source, target), heads in (
        ((shuffled[:-1], shuffled[1:]), 1),
        (ring, 1),
        (both_ways, 1),
        ((pairs.ravel(), pairs[:, ::-1].ravel()), count // 2),
    ):
        order = np.argsort(source, kind="stable")
        owner = np.full(count, UNSEEN, np.int32)
        find_heads(Adjacency(count, source[order], target[order]), source[order], target[order], owner)
        assert len(np.unique(owner)) == heads
