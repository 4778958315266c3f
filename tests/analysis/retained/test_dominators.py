"""Dominators and what they retain, against two oracles: taking each node out of small graphs, and another algorithm on
larger ones."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from gdbheap.analysis.retained import contracted, dominators
from gdbheap.analysis.retained.dominators import NONE, DominatorTree, RootedGraph, dominator_tree

Edges = list[tuple[int, int]]


def tree_of(count: int, edges: Edges, root: int) -> DominatorTree:
    source, target = (np.array([edge[end] for edge in edges], np.int32) for end in (0, 1))
    return dominator_tree(RootedGraph(count, source, target, root))


def reached(count: int, edges: Edges, root: int, without: int | None = None) -> set[int]:
    """Return what can be reached from the root when one node is taken out."""
    following: list[list[int]] = [[] for _ in range(count)]
    for source, target in edges:
        following[source].append(target)
    seen = set() if root == without else {root}
    waiting = list(seen)
    while waiting:
        for target in following[waiting.pop()]:
            if target not in seen and target != without:
                seen.add(target)
                waiting.append(target)
    return seen


def random_edges(chance: random.Random, count: int) -> Edges:
    edges = [(chance.randrange(count), chance.randrange(count)) for _ in range(int(count * chance.choice((1, 1.5, 3))))]
    if chance.random() < 0.4:
        # mostly onward: deeper, and with fewer cycles
        edges = [(min(edge), max(edge)) if chance.random() < 0.8 else edge for edge in edges]
    return edges


def with_rows(chance: random.Random, count: int, edges: Edges) -> tuple[int, Edges]:
    """Return the number of nodes and the edges of a graph in which some edges are lists: of one or of two ways, open or
    as a ring."""
    longer: Edges = []
    for source, target in edges:
        size = chance.choice((0, 0, 1, 2, 5))
        row = [source, *range(count, count + size), chance.choice((source, target, target))]
        count += size
        longer += zip(row, row[1:])
        if size and chance.random() < 0.6:
            longer += [(after, before) for before, after in zip(row, row[1:]) if chance.random() < 0.95]
    names = list(range(count))
    chance.shuffle(names)
    return count, [(names[source], names[target]) for source, target in longer]


@pytest.mark.parametrize("layers", [0, 64])
@pytest.mark.parametrize("fewest", [0, 1 << 12])
def test_what_a_node_retains_is_what_is_lost_when_it_is_taken_out(
    monkeypatch: pytest.MonkeyPatch, layers: int, fewest: int
) -> None:
    monkeypatch.setattr(dominators, "_MOST_LAYERS", layers)
    monkeypatch.setattr(contracted, "_FEWEST", fewest)
    monkeypatch.setattr(contracted, "_SHORTEST", min(fewest, 8))
    for seed in range(250):
        chance = random.Random(seed)
        count = chance.randint(1, 30)
        edges = random_edges(chance, count)
        if not fewest:
            count, edges = with_rows(chance, count // 3 + 1, random_edges(chance, count // 3 + 1))
        root = chance.randrange(count)
        weight = np.array([chance.randint(1, 1000) for _ in range(count)], np.int64)
        tree = tree_of(count, edges, root)
        sums = tree.below(weight)
        everything = reached(count, edges, root)
        for node in range(count):
            kept = everything - reached(count, edges, root, node) if node in everything else set()
            assert sums[node] == sum(int(weight[each]) for each in kept), f"seed {seed}, node {node}"
            assert tree.count[node] == len(kept), f"seed {seed}, node {node}"


def test_the_immediate_dominator_is_the_nearest_of_all() -> None:
    for seed in range(250):
        chance = random.Random(seed)
        count = chance.randint(1, 20)
        edges, root = random_edges(chance, count), chance.randrange(count)
        tree = tree_of(count, edges, root)
        everything = reached(count, edges, root)
        lost = {node: everything - reached(count, edges, root, node) for node in everything}
        for node in range(count):
            above = [each for each in everything if each != node and node in lost[each]]
            nearest = [each for each in above if all(each in lost[other] for other in above)]
            assert tree.parent[node] == (nearest[0] if nearest else NONE), f"seed {seed}, node {node}"


def by_intersection(count: int, edges: Edges, root: int) -> list[int]:
    """Return immediate dominators by Cooper, Harvey and Kennedy's iteration over a postorder."""
    following: list[list[int]] = [[] for _ in range(count)]
    leading: list[list[int]] = [[] for _ in range(count)]
    for source, target in edges:
        following[source].append(target)
        leading[target].append(source)
    rank = {node: index for index, node in enumerate(postorder(following, root))}
    dominator = {root: root}

    def meet(one: int, other: int) -> int:
        while one != other:
            if rank[one] < rank[other]:
                one = dominator[one]
            else:
                other = dominator[other]
        return one

    changed = True
    while changed:
        changed = False
        for node in sorted(rank, key=lambda each: -rank[each]):
            known = [each for each in leading[node] if each in dominator]
            if node != root and known:
                new = known[0]
                for other in known[1:]:
                    new = meet(new, other)
                changed |= dominator.get(node) != new
                dominator[node] = new
    return [dominator.get(node, NONE) if node != root else NONE for node in range(count)]


def postorder(following: list[list[int]], root: int) -> Iterator[int]:
    seen, waiting = {root}, [(root, iter(following[root]))]
    while waiting:
        node, rest = waiting[-1]
        found = next((each for each in rest if each not in seen), None)
        if found is None:
            waiting.pop()
            yield node
        else:
            seen.add(found)
            waiting.append((found, iter(following[found])))


@pytest.mark.parametrize("seed", range(4))
def test_large_graphs_agree_with_another_algorithm(seed: int) -> None:
    chance = random.Random(seed)
    count = 8_000
    hubs = [chance.randrange(count) for _ in range(20)]
    edges = [(chance.randrange(max(node - 1000, 0), node), node) for node in range(1, count)]
    edges += [(chance.randrange(count), chance.choice(hubs)) for _ in range(count // 10)]
    edges += [(node, chance.randrange(node, min(node + 50, count))) for node in range(0, count, 3)]
    edges += [(node, chance.randrange(max(node - 50, 0), node + 1)) for node in range(0, count, 1 + seed)]
    shuffled = list(range(1, count))
    chance.shuffle(shuffled)
    name = [0, *shuffled]
    edges = [(name[source], name[target]) for source, target in edges]
    assert tree_of(count, edges, 0).parent.tolist() == by_intersection(count, edges, 0)


def test_a_list_of_half_a_million_nodes_is_a_chain() -> None:
    count = 500_000
    name = np.random.default_rng(7).permutation(count).astype(np.int32)
    tree = dominator_tree(RootedGraph(count, name[:-1], name[1:], int(name[0])))
    assert np.array_equal(tree.parent[name[1:]], name[:-1])
    assert np.array_equal(tree.count[name], np.arange(count, 0, -1))


@pytest.mark.parametrize("to_head", [False, True])
def test_all_nodes_of_a_doubly_linked_ring_are_entered_from_its_head(to_head: bool) -> None:
    count = 300_000
    name = np.random.default_rng(7).permutation(count).astype(np.int32)
    source, target = np.append(name, np.roll(name, -1)), np.append(np.roll(name, -1), name)
    if to_head:
        source, target = np.append(source, name), np.append(target, np.full(count, name[0]))
    tree = dominator_tree(RootedGraph(count, source, target, int(name[0])))
    assert np.array_equal(np.delete(tree.parent, name[0]), np.full(count - 1, name[0], np.int32))


def test_what_every_node_of_a_deep_list_points_to_belongs_to_its_head() -> None:
    """Each node has a payload of its own as well: sums of bytes below are those of the nodes and payloads behind."""
    count = 200_000
    node = np.arange(count, dtype=np.int32)
    payload, shared = node + count, np.full(count, 2 * count, np.int32)
    source = np.concatenate((node[:-1], node, node))
    target = np.concatenate((node[1:], payload, shared))
    tree = dominator_tree(RootedGraph(2 * count + 1, source, target, 0))
    weight: NDArray[np.int64] = np.repeat([10, 100, 7], [count, count, 1])
    sums = tree.below(weight)
    assert tree.parent[2 * count] == 0
    assert sums[0] == 110 * count + 7
    assert sums[1] == 110 * (count - 1)


def test_what_cannot_be_reached_retains_nothing_and_takes_nothing() -> None:
    tree = tree_of(5, [(0, 1), (3, 1), (3, 4), (1, 2)], 0)
    assert tree.parent.tolist() == [NONE, 0, 1, NONE, NONE]
    assert tree.count.tolist() == [3, 2, 1, 0, 0]
