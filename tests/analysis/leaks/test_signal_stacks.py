"""Which blocks are taken for signals' stacks: by their size, as malloc may have rounded it, and not more of one size
than there are threads."""

from __future__ import annotations

import numpy as np
import pytest

from gdbheap.allocators.blocks import Blocks
from gdbheap.analysis.leaks.signal_stacks import find_signal_stacks
from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.address_space import AddressSpace
from gdbheap.process.images.auxv import AT_MINSIGSTKSZ
from gdbheap.process.memory import ImageMemory
from gdbheap.process.process import Process, Thread

SMALLEST = 12672


def found(usable: list[int], threads: int, auxv: dict[int, int]) -> list[int]:
    start = np.arange(len(usable), dtype=np.uint64) * np.uint64(1 << 20) + np.uint64(1 << 20)
    blocks = Blocks(start, start + np.array(usable, np.uint64), np.array(usable, np.uint64), np.arange(len(usable)))
    running = tuple(Thread(number + 1, number, "", {}, 0, 0, None) for number in range(threads))
    process = Process("core", X86_64, ImageMemory([]), AddressSpace(()), running, auxv=auxv)
    return find_signal_stacks(process, blocks, np.ones(len(usable), np.bool_)).tolist()


@pytest.mark.parametrize("times", [1, 4, 16])
def test_multiples_of_the_smallest_stack_are_stacks_and_others_are_not(times):
    size = times * SMALLEST
    assert found([size - 1, size, size + 24, size + 5000], 2, {AT_MINSIGSTKSZ: SMALLEST}) == [1, 2]


def test_more_of_them_than_threads_are_something_else():
    assert found([SMALLEST] * 3, 2, {AT_MINSIGSTKSZ: SMALLEST}) == []


def test_without_the_kernels_word_nothing_is_guessed():
    assert found([SMALLEST, 8192, 32768], 4, {}) == []
