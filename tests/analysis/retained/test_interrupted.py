"""Dominators where Ctrl-C cut the search short: what is told of a node is never more than it retains."""

from __future__ import annotations

import random

import numpy as np
import pytest

from gdbheap.analysis.retained import dominators
from gdbheap.analysis.retained.dominators import RootedGraph, dominator_tree
from gdbheap.analysis.retained.sole_sources import sole_sources


def interrupted(*_):
    raise KeyboardInterrupt


def random_graph(seed):
    chance = random.Random(seed)
    count = chance.randrange(2, 60)
    edges = [(chance.randrange(count), chance.randrange(count)) for _ in range(int(count * chance.choice((1, 1.5, 3))))]
    source, target = (np.array([edge[end] for edge in edges], np.int32) for end in (0, 1))
    return count, source, target


@pytest.mark.parametrize("seed", range(200))
def test_no_sum_is_larger_than_the_whole_search_finds_and_nothing_is_lost(monkeypatch, seed):
    count, source, target = random_graph(seed)
    whole = dominator_tree(RootedGraph(count, source, target, 0))
    monkeypatch.setattr(dominators, "core_dominators", interrupted)
    cut = dominator_tree(RootedGraph(count, source, target, 0))
    one = np.ones(count, np.int64)
    assert cut.interrupted
    assert not whole.interrupted
    assert ((cut.count > 0) == (whole.count > 0)).all()
    assert (cut.below(one) <= whole.below(one)).all()
    assert cut.below(one)[0] == whole.below(one)[0]


def test_a_long_list_is_told_whole(monkeypatch):
    monkeypatch.setattr(dominators, "core_dominators", interrupted)
    count = 100_000
    source = np.arange(count - 1, dtype=np.int32)
    found = dominator_tree(RootedGraph(count, source, source + 1, 0))
    assert found.below(np.ones(count, np.int64)).tolist() == list(range(count, 0, -1))


def test_what_cannot_be_reached_hangs_nowhere_wrong():
    nodes, above = sole_sources(4, np.array([0, 2, 3], np.int32), np.array([1, 3, 2], np.int32), 0)
    assert (nodes[0], above[0]) == (0, 0)
    assert all(above[place] < place for place in range(1, len(nodes)))
