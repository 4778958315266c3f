"""Which blocks are taken for signals' stacks: by their size, as malloc may have rounded it, and not more of one size
than there are threads."""

from __future__ import annotations

import numpy as np
import pytest

from gdbheap.allocators.blocks import Blocks
from gdbheap.analysis.leaks import signal_stacks
from gdbheap.analysis.leaks.signal_stacks import find_signal_stacks
from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.address_space import AddressSpace
from gdbheap.process.images.auxv import AT_BASE, AT_MINSIGSTKSZ
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


@pytest.mark.parametrize(("calls", "stacks"), [(True, [0]), (False, [])])
def test_a_program_that_never_calls_sigaltstack_has_none(monkeypatch, calls, stacks):
    monkeypatch.setattr(signal_stacks, "_calls_sigaltstack", lambda _: calls)
    assert found([SMALLEST], 2, {AT_MINSIGSTKSZ: SMALLEST, AT_BASE: 0x7F0000000000}) == stacks


def test_without_the_kernels_word_nothing_is_guessed():
    assert found([SMALLEST, 8192, 32768], 4, {}) == []


def round_ones(monkeypatch, contents: list[tuple[int, bytes]], threads: int, calls: bool) -> list[int]:
    """Return which of the blocks (usable bytes, what the first of them are) are taken for signals' stacks."""
    monkeypatch.setattr(signal_stacks, "_calls_sigaltstack", lambda _: calls)
    places = [(1 << 20) * (number + 1) for number in range(len(contents))]
    start = np.array(places, np.uint64)
    usable = np.array([size for size, _ in contents], np.uint64)
    blocks = Blocks(start, start + usable, usable, np.arange(len(contents)))
    memory = ImageMemory([(at, data.ljust(size, b"\0")) for at, (size, data) in zip(places, contents)])
    running = tuple(Thread(number + 1, number, "", {}, 0, 0, None) for number in range(threads))
    process = Process("core", X86_64, memory, AddressSpace(()), running)
    return find_signal_stacks(process, blocks, np.ones(len(contents), np.bool_)).tolist()


FRAME = bytes(60000) + b"a signal's frame"
ROUND = [(0x10008, FRAME), (0x10008, b"a text".rjust(200)), (0x2008, b""), (0x10040, b""), (0x20FF0, b"\1" * 16)]


def test_round_ones_are_stacks_where_the_program_calls_for_them_and_their_lower_halves_are_empty(monkeypatch):
    assert round_ones(monkeypatch, ROUND, 2, calls=True) == [0, 2, 4]
    assert round_ones(monkeypatch, ROUND, 1, calls=True) == [2, 4]
    assert round_ones(monkeypatch, ROUND, 2, calls=False) == []
