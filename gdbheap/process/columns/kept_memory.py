"""Memory of which some spans are read once, and kept: for work that looks at the same words again and again."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gdbheap.kernel.arrays import suits
from gdbheap.kernel.kernel import kernel
from gdbheap.lazy import np
from gdbheap.process.memory import Memory, readable_pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WORD = 8


class KeptMemory:
    """`memory`, the bytes of the spans (which ascend) kept from when the first word is asked for; what could not be
    read of them, and all else, is asked of the memory."""

    def __init__(self, memory: Memory, spans: Sequence[tuple[int, int]]) -> None:
        self._memory = memory
        self._spans = spans
        self._data: memoryview | None = None
        # Where each piece begins and ends, and where its bytes are kept: as many behind a whole word as it has itself.
        self._start: list[int] = []
        self._end: list[int] = []
        self._place: list[int] = []

    def read(self, address: int, size: int) -> bytes:
        place = self._kept_at(address, size)
        return self._memory.read(address, size) if place is None else bytes(self._kept()[place : place + size])

    def read_into(self, address: int, buffer: memoryview) -> None:
        place = self._kept_at(address, len(buffer))
        if place is None:
            self._memory.read_into(address, buffer)
        else:
            buffer[:] = self._kept()[place : place + len(buffer)]

    def read_rows(self, addresses: NDArray[np.uint64], rows: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Fill the rows, of whole words, with the bytes from each of those addresses on that are kept whole; return
        which these are. What is no multiple of a word is not."""
        words = np.frombuffer(self._kept(), np.uint64)
        if not self._start:
            return np.zeros(len(addresses), np.bool_)
        starts, ends, places = self._columns
        piece = np.searchsorted(starts, addresses, side="right") - 1
        known: NDArray[np.bool_] = (piece >= 0) & (addresses % np.uint64(_WORD) == 0)
        known &= (addresses < ends[piece]) & (np.uint64(rows.shape[1]) <= ends[piece] - addresses)
        whole = bool(known.all())
        piece, chosen = (piece, addresses) if whole else (piece[known], addresses[known])
        place = chosen - starts[piece] + places[piece]
        fast = kernel(rows.size // _WORD)
        if fast is not None and whole and suits(rows):
            fast.take(place, 0, words, rows.view(np.uint64))
        else:
            index = place.astype(np.int64) // _WORD
            rows.view(np.uint64)[known] = words[index[:, None] + np.arange(rows.shape[1] // _WORD)]
        return known

    def _kept_at(self, address: int, size: int) -> int | None:
        """Return where all of [address, address + size) is kept, None where it is not."""
        self._kept()
        index = bisect_right(self._start, address) - 1
        if index < 0 or size <= 0 or address + size > self._end[index]:
            return None
        return self._place[index] + address - self._start[index]

    def _kept(self) -> memoryview:
        if self._data is None:
            self._keep()
        assert self._data is not None
        return self._data

    def _keep(self) -> None:
        room = sum(end - start + 2 * _WORD for start, end in self._spans)
        kept, at = memoryview(bytearray(-(-room // _WORD) * _WORD)), 0
        start: list[int] = []
        end: list[int] = []
        place: list[int] = []
        for span in self._spans:
            for address, data in readable_pieces(self._memory, *span):
                if not end or end[-1] != address:
                    at += (address - at) % _WORD
                    start.append(address)
                    end.append(address)
                    place.append(at)
                kept[at : at + len(data)] = data
                at += len(data)
                end[-1] = address + len(data)
        self._start, self._end, self._place = start, end, place
        self._columns = tuple(np.array(each, np.uint64) for each in (start, end, place))
        self._data = kept
