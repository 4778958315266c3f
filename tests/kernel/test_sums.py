"""Where the edges of nodes begin, and what these are mixed to: numpy and the compiled loop against plain loops."""

from __future__ import annotations

import random
from types import SimpleNamespace

import numpy as np
import pytest

from gdbheap.analysis.pointers.adjacency import begins
from gdbheap.analysis.types.deep_shapes import _of_targets
from gdbheap.kernel import kernel as kernel_module
from support.kernels import compiled

WORD = (1 << 64) - 1


def mixed(value: int) -> int:
    value = (value ^ value >> 29) * 0xA0761D6478BD642F & WORD
    return value ^ value >> 32


@pytest.mark.parametrize("used", [None, compiled()], ids=["numpy", "kernel"])
@pytest.mark.parametrize("count", [1, 7, 900])
def test_edges_are_summed_up_node_by_node(monkeypatch, used, count):
    monkeypatch.setattr(kernel_module, "_loaded", [used])
    random_one = random.Random(count)
    source = sorted(random_one.randrange(count) for _ in range(random_one.choice((0, 5, 3 * count))))
    target = [random_one.randrange(count) for _ in source]
    place = [random_one.getrandbits(64) for _ in source]
    shape = [random_one.getrandbits(64) for _ in range(count)]
    begin = begins(np.array(source, np.int32), count)
    assert begin.tolist() == [sum(each < node for each in source) for node in range(count + 1)]
    state = SimpleNamespace(graph=SimpleNamespace(target=np.array(target, np.int32)), begin=begin)
    found = _of_targets(state, np.array(place, np.uint64), np.array(shape, np.uint64))
    expected = [0] * count
    for node, led_to, at in zip(source, target, place):
        expected[node] = expected[node] + mixed(at ^ mixed(shape[led_to])) & WORD
    assert found.tolist() == expected
