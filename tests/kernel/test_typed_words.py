"""What the words of typed blocks are: the compiled loop against numpy, on layouts and blocks that could be anything."""

from __future__ import annotations

import random
from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pytest

from gdbheap.analysis.types.inner import Inner, no_inner
from gdbheap.analysis.types.slots import BYTES
from gdbheap.analysis.types.words import Wanted, words_of
from gdbheap.kernel import kernel as kernel_module
from support.kernels import compiled

BLOCKS, TYPES, EDGES = 60, 9, 4000
SIZES = "size", "base", "words", "flexible", "stride", "flexible_base", "flexible_words"


class Layouts(SimpleNamespace):
    """As slots.py has them, of types that are laid out when they are first asked for."""

    def __init__(self, random_one: random.Random, pointer_size: int) -> None:
        count = TYPES + 1
        words = [0, *(random_one.choice((0, 1, 3, 8)) for _ in range(TYPES))]
        more = [random_one.choice((0, 0, 2)) for _ in range(count)]
        base = np.cumsum([0, *(one + other for one, other in zip(words, more))])[:-1]
        # (Some are larger than what of them is laid out, some have no size.)
        size = [pointer_size * each + random_one.choice((0, 0, 4, 100)) for each in words]
        flexible = [random_one.choice((-1, size[each])) if more[each] else -1 for each in range(count)]
        columns = size, base, words, flexible, [pointer_size * each for each in more], base + words, more
        super().__init__(**{name: np.array(column, np.int64) for name, column in zip(SIZES, columns)})
        self.table = np.array([random_one.randrange(BYTES, 4) for _ in range(sum(words) + sum(more))], np.int32)
        self.many = np.array([random_one.random() < 0.2 for _ in self.table], np.bool_)
        self.pointer_size = pointer_size
        self.known = np.zeros(TYPES + 1, np.int32)

    def local(self, types: np.ndarray) -> np.ndarray:
        self.known[types[types >= 0]] = types[types >= 0] + 1
        return self.known[np.maximum(types, -1)]

    def laid_out(self) -> tuple[np.ndarray, ...]:
        return self.known, *(getattr(self, name) for name in SIZES)


class State(SimpleNamespace):
    def __len__(self) -> int:
        return BLOCKS


def state_of(random_one: random.Random, pointer_size: int, with_inner: bool) -> State:
    def column(kind: type, *values: int) -> np.ndarray:
        return np.array([random_one.choice(values) for _ in range(BLOCKS)], kind)

    def edges(kind: type, end: int) -> np.ndarray:
        return np.array([random_one.randrange(end) for _ in range(EDGES)], kind)

    start = np.arange(BLOCKS, dtype=np.uint64) * np.uint64(0x1000) + np.uint64(0x5555_0000_0000)
    graph = SimpleNamespace(
        source=np.sort(edges(np.int32, BLOCKS)),
        place=edges(np.uint32, 12) * np.uint32(pointer_size),
        target=edges(np.int32, BLOCKS),
        offset=edges(np.uint32, 3) * np.uint32(8),
    )
    lying = np.sort(np.array(random_one.sample(range(BLOCKS), 20)))
    inner = Inner(start[lying] + np.uint64(16), start[lying] + np.uint64(64), column(np.int32, *range(TYPES))[:20])
    return State(
        graph=graph,
        held=SimpleNamespace(blocks=SimpleNamespace(start=start)),
        room=column(np.int64, 24, 40, 200, 1000),
        type=column(np.int32, *range(TYPES)),
        part=column(np.uint32, 0, 0, 8, 16),
        count=column(np.int32, 0, 0, 5),
        whole=column(np.bool_, 0, 1),
        trust=column(np.uint8, 1, 2, 3),
        inner=inner if with_inner else no_inner(),
        layouts=Layouts(random_one, pointer_size),
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("wanted", Wanted)
def test_words_are_those_that_numpy_finds(monkeypatch, wanted, seed):
    answers = []
    for used in (None, compiled()):
        monkeypatch.setattr(kernel_module, "_loaded", [used])
        random_one = random.Random(seed)
        state = state_of(random_one, random_one.choice((4, 8)), seed % 2 == 1)
        edges = np.sort(np.array(random_one.sample(range(EDGES), 3000)))
        found = words_of(state, edges, wanted)
        answers.append(
            [
                (each.name, str(getattr(found, each.name).dtype), getattr(found, each.name).tolist())
                for each in fields(found)
            ]
        )
    assert answers[0] == answers[1]
    assert len(answers[0][0][2]) > 5
