"""Gathering: the words at many addresses, read in wide pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.errors import MemoryFault
from gdbheap.kernel.arrays import suits
from gdbheap.kernel.kernel import kernel
from gdbheap.lazy import np
from gdbheap.process.memory import BLOCK, Memory, read_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    # Addresses, and for each of them a row of words and whether it was read.
    _Columns = tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.bool_]]
    # Rows, and the bytes of each.
    _Few = tuple[list[int], list[bytes]]

# Addresses farther apart than this are read apart: what lies between them is not worth reading.
_GAP = 16 << 10
# So few that lie together are sooner cut out one by one.
_FEW = 8


def gather_words(
    memory: Memory, pointer_size: int, addresses: NDArray[np.uint64], count: int = 1
) -> NDArray[np.uint64]:
    """Return `count` consecutive words from each address, as rows of an array; an address whose words cannot all be
    read gives a row of zeros, and so does one that is no multiple of `word`. Addresses that ascend cost least."""
    return gather_known(memory, pointer_size, addresses, count)[0]


def gather_known(
    memory: Memory, pointer_size: int, addresses: NDArray[np.uint64], count: int = 1
) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Return the same, and for which addresses the words were read."""
    if (addresses[1:] < addresses[:-1]).any():
        order = np.argsort(addresses, kind="stable")
        place = np.empty(len(order), np.intp)
        place[order] = np.arange(len(order))
        words, known = gather_known(memory, pointer_size, addresses[order], count)
        return words[place], known[place]
    words = np.zeros((len(addresses), count), np.uint64)
    if words.itemsize == pointer_size:
        known = read_rows(memory, addresses, words)
        if known.any():
            rest = np.flatnonzero(~known | (addresses % np.uint64(pointer_size) != 0))
            if len(rest):
                words[rest], known[rest] = _gathered(memory, pointer_size, addresses[rest], count)
            return words, known
    return _gathered(memory, pointer_size, addresses, count)


def _gathered(
    memory: Memory, pointer_size: int, addresses: NDArray[np.uint64], count: int
) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Do as gather_known() with addresses that ascend, by wide reads."""
    columns = addresses, np.zeros((len(addresses), count), np.uint64), np.zeros(len(addresses), np.bool_)
    buffer = memoryview(bytearray(BLOCK))
    few: _Few = ([], [])
    kernel(columns[1].size)  # (Each piece of the work alone may be too little to load it for.)
    for start, end in _groups(addresses, BLOCK - count * pointer_size):
        if end - start <= _FEW:
            _a_few(memory, pointer_size, columns, range(start, end), few)
        else:
            _many(memory, pointer_size, columns, range(start, end), buffer)
    rows, data = few
    if rows:
        columns[1][rows] = np.frombuffer(b"".join(data), np.dtype(f"u{pointer_size}")).reshape(-1, count)
        columns[2][rows] = True
    return columns[1], columns[2]


def _a_few(memory: Memory, pointer_size: int, columns: _Columns, rows: range, few: _Few) -> None:
    """Read the words of a few addresses that lie together, and add them to those that are to be made numbers of."""
    here = columns[0][rows.start : rows.stop].tolist()
    size = columns[1].shape[1] * pointer_size
    try:
        data = memory.read(here[0], here[-1] - here[0] + size)
    except MemoryFault:
        _one_by_one(memory, pointer_size, columns, rows)
        return
    for row, address in zip(rows, here):
        if address % pointer_size == 0:
            few[0].append(row)
            few[1].append(data[address - here[0] : address - here[0] + size])


def _many(memory: Memory, pointer_size: int, columns: _Columns, rows: range, buffer: memoryview) -> None:
    """Read the words of many addresses that lie together."""
    here = slice(rows.start, rows.stop)
    addresses, found, known = columns[0][here], columns[1][here], columns[2][here]
    base, count = int(addresses[0]), found.shape[1]
    size = int(addresses[-1]) - base + count * pointer_size
    try:
        memory.read_into(base, buffer[:size])
    except MemoryFault:
        _one_by_one(memory, pointer_size, columns, rows)
        return
    words = np.frombuffer(buffer, np.dtype(f"u{pointer_size}"), size // pointer_size)
    places = (addresses - np.uint64(base)).astype(np.int64)
    aligned = addresses % np.uint64(pointer_size) == 0
    if not base % pointer_size:
        fast = kernel()
        if fast is not None and words.itemsize == found.itemsize and aligned.all() and suits(addresses):
            fast.take(addresses, base, words, found)
        else:
            found[aligned] = words[places[aligned, None] // pointer_size + np.arange(count)]
        known[:] = aligned
    else:
        _one_by_one(memory, pointer_size, columns, rows)


def _groups(addresses: NDArray[np.uint64], most: int) -> list[tuple[int, int]]:
    """Return [start, end) of runs of addresses that lie close together, none longer than `most` bytes."""
    if not len(addresses):
        return []
    breaks = np.flatnonzero(addresses[1:] - addresses[:-1] > np.uint64(_GAP)) + 1
    first = np.concatenate(([0], breaks))
    last = np.concatenate((breaks, [len(addresses)]))
    is_short = addresses[last - 1] - addresses[first] <= np.uint64(most)
    groups = []
    for start, end, short in zip(first.tolist(), last.tolist(), is_short.tolist()):
        if short:
            groups.append((start, end))
            continue
        while start < end:
            limit = np.uint64(min(int(addresses[start]) + most, (1 << 64) - 1))
            until = max(min(int(np.searchsorted(addresses, limit, side="right")), end), start + 1)
            groups.append((start, until))
            start = until
    return groups


def _one_by_one(memory: Memory, pointer_size: int, columns: _Columns, rows: range) -> None:
    addresses, found, known = columns
    for row in rows:
        try:
            data = memory.read(int(addresses[row]), found.shape[1] * pointer_size)
        except MemoryFault:
            continue
        if int(addresses[row]) % pointer_size == 0:
            found[row] = np.frombuffer(data, np.dtype(f"u{pointer_size}"))
            known[row] = True
