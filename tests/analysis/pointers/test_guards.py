"""glibc's guards are random words, and hold nothing though they lead into a block."""

from dataclasses import replace

import numpy as np
import pytest

from gdbheap.allocators.blocks import Blocks
from gdbheap.analysis.pointers.graph import Pointers
from gdbheap.analysis.pointers.guards import without_guards
from gdbheap.process.images.auxv import AT_RANDOM
from gdbheap.process.memory import ImageMemory
from support.made_process import made_process

BLOCK = 0x5000_0000
# The stack guard has a zero at the bottom; the others are as the kernel gave them.
RANDOM, POINTER_GUARD, STACK_GUARD = BLOCK + 0x1234, BLOCK + 0x98, BLOCK + 0x1200


@pytest.fixture
def process():
    data = RANDOM.to_bytes(8, "little") + POINTER_GUARD.to_bytes(8, "little")
    return replace(made_process([]), memory=ImageMemory([(0x7000, data)]), auxv={AT_RANDOM: 0x7000})


def pointers(*words):
    zeros = np.zeros(len(words), np.int32)
    return Pointers(np.arange(len(words), dtype=np.uint64) * np.uint64(8), zeros,
                    np.array(words, np.uint32) - np.uint32(BLOCK))  # fmt: skip


def blocks():
    start = np.array([BLOCK], np.uint64)
    return Blocks(start, start + np.uint64(0x4000), np.array([0x4010], np.uint64), np.zeros(1, np.int64))


def test_a_guard_is_no_pointer_and_its_neighbours_are(process):
    found = without_guards(pointers(BLOCK, STACK_GUARD, STACK_GUARD + 8, RANDOM, POINTER_GUARD), blocks(), process)
    assert (found.offset + np.uint32(BLOCK)).tolist() == [BLOCK, STACK_GUARD + 8]
    assert found.place.tolist() == [0, 16]


@pytest.mark.parametrize("auxv", [{}, {AT_RANDOM: 0xDEAD000}])
def test_where_the_kernels_words_are_not_known_all_are_pointers(process, auxv):
    assert len(without_guards(pointers(STACK_GUARD, RANDOM), blocks(), replace(process, auxv=auxv))) == 2
