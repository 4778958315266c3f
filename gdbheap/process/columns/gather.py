"""Gathering: the words at many addresses, read in wide pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.errors import MemoryFault
from gdbheap.lazy import np
from gdbheap.process.memory import BLOCK, Memory

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Addresses farther apart than this are read apart: what lies between them is not worth reading.
_GAP = 16 << 10


def gather_words(
    memory: Memory, pointer_size: int, addresses: NDArray[np.uint64], count: int = 1
) -> NDArray[np.uint64]:
    """Return `count` consecutive words from each address, as rows of an array; an address whose words cannot all be
    read gives a row of zeros, and so does one that is no multiple of `word`. `addresses` must ascend."""
    return gather_known(memory, pointer_size, addresses, count)[0]


def gather_known(
    memory: Memory, pointer_size: int, addresses: NDArray[np.uint64], count: int = 1
) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Return the same, and for which addresses the words were read."""
    found, known = np.zeros((len(addresses), count), np.uint64), np.zeros(len(addresses), np.bool_)
    buffer = memoryview(bytearray(BLOCK))
    for start, end in _groups(addresses, BLOCK - count * pointer_size):
        here = addresses[start:end]
        base = int(here[0])
        size = int(here[-1]) - base + count * pointer_size
        try:
            memory.read_into(base, buffer[:size])
        except MemoryFault:
            _one_by_one(memory, pointer_size, (addresses, found, known), range(start, end))
            continue
        words = np.frombuffer(buffer, np.dtype(f"u{pointer_size}"), size // pointer_size)
        rows = (here - np.uint64(base)).astype(np.int64)
        aligned = rows % pointer_size == 0
        found[start:end][aligned] = words[rows[aligned, None] // pointer_size + np.arange(count)]
        known[start:end] = aligned
    return found, known


def _groups(addresses: NDArray[np.uint64], most: int) -> list[tuple[int, int]]:
    """Return [start, end) of runs of addresses that lie close together, none longer than `most` bytes."""
    if not len(addresses):
        return []
    breaks = np.flatnonzero(addresses[1:] - addresses[:-1] > np.uint64(_GAP)) + 1
    groups = []
    for first, last in zip([0, *breaks.tolist()], [*breaks.tolist(), len(addresses)]):
        start = first
        while start < last:
            limit = np.uint64(min(int(addresses[start]) + most, (1 << 64) - 1))
            end = max(min(int(np.searchsorted(addresses, limit, side="right")), last), start + 1)
            groups.append((start, end))
            start = end
    return groups


def _one_by_one(
    memory: Memory,
    pointer_size: int,
    columns: tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.bool_]],
    rows: range,
) -> None:
    addresses, found, known = columns
    for row in rows:
        try:
            data = memory.read(int(addresses[row]), found.shape[1] * pointer_size)
        except MemoryFault:
            continue
        if int(addresses[row]) % pointer_size == 0:
            found[row] = np.frombuffer(data, np.dtype(f"u{pointer_size}"))
            known[row] = True
