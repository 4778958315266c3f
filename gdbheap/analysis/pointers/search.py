"""Searching memory for words in a range, or for bytes, wherever they lie."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from gdbheap.lazy import dataclass, np
from gdbheap.process.address_space import UNTOLD, AddressSpace
from gdbheap.process.live.live_memory import LiveMemory
from gdbheap.process.memory import Memory, ReadProgress, readable_pieces
from gdbheap.process.process import Process

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BUFFER = 1 << 19
_HIGHEST = 1 << 64
# Where a piece lies among the bytes that were read, its address, and how long it is.
_Piece = tuple[int, int, int]

# Which of some addresses are wanted.
Chosen = Callable[["NDArray[np.uint64]"], "NDArray[np.bool_]"]


def searched_ranges(space: AddressSpace, read_only: bool = False) -> Iterator[tuple[int, int]]:
    """Yield what a search goes through: all that is readable and writable, as far as told (`read_only`: all that is
    readable), devices left out (reading one may do things)."""
    for vma in space:
        device = vma.path.startswith("/dev/") and not vma.path.startswith(("/dev/zero", "/dev/shm/"))
        untold = vma.permissions == UNTOLD
        if (untold or (vma.readable and (vma.writable or read_only))) and not device:
            yield vma.start, vma.end


@dataclass(frozen=True)
class Values:
    """The words of `width` bytes (1, 2, 4, 8) with low <= value <= high, of a value's bits those of the `mask`."""

    width: int
    low: int
    high: int
    mask: int = (1 << 64) - 1

    @classmethod
    def of_pointers(cls, process: Process, low: int, high: int) -> Values:
        """Return the words that are these addresses of the process's memory, whatever tags they have; numbers as they
        are."""
        machine = process.machine
        is_address = process.address_space.find(low) is not None
        return cls(machine.pointer_size, low, high, machine.mask >> (machine.tag_bits if is_address else 0))


def find_words(
    memory: Memory,
    ranges: Iterable[tuple[int, int]],
    wanted: Values,
    chosen: Chosen | None = None,
    progress: ReadProgress | None = None,
) -> Iterator[tuple[int, int]]:
    """Yield (address, value) of the aligned words that are wanted, of those at `chosen` addresses. `progress` is called
    with each address reached."""
    width = wanted.width
    kind = np.dtype(f"<u{width}")
    for start, end in ranges:
        for address, data in readable_pieces(memory, -(-start // width) * width, end, _BUFFER):
            words: NDArray[np.uint64] = np.frombuffer(data, kind, len(data) // width)
            hits = np.flatnonzero(_fitting(words, wanted))
            # (Addresses may be beyond what a signed number holds.)
            places = hits.astype(np.uint64) * np.uint64(width) + np.uint64(address)
            if chosen is not None and len(hits):
                is_chosen = chosen(places)
                hits, places = hits[is_chosen], places[is_chosen]
            yield from zip(places.tolist(), words[hits].tolist())
            if progress is not None:
                progress(address)


def find_unaligned_words(
    memory: Memory,
    ranges: Iterable[tuple[int, int]],
    wanted: Values,
    chosen: Chosen | None = None,
    progress: ReadProgress | None = None,
) -> Iterator[tuple[int, int]]:
    """Yield the same as find_words() of words at any address (within one range)."""
    width = wanted.width
    kind = np.dtype(f"<u{width}")
    for start, end in ranges:
        tail, reached = b"", start
        for address, piece in readable_pieces(memory, start, end, _BUFFER):
            data = (tail if address == reached else b"") + bytes(piece)
            base = address + len(piece) - len(data)
            hits: list[NDArray[np.intp]] = []
            for shift in range(min(width, max(len(data) - width + 1, 0))):
                words: NDArray[np.uint64] = np.frombuffer(data, kind, (len(data) - shift) // width, shift)
                hits.append(np.flatnonzero(_fitting(words, wanted)) * width + shift)
            found = np.sort(np.concatenate([np.empty(0, np.intp), *hits]))
            if chosen is not None and len(found):
                found = found[chosen(found.astype(np.uint64) + np.uint64(base))]
            for at in found.tolist():
                yield base + at, int.from_bytes(data[at : at + width], "little")
            tail, reached = data[max(len(data) - width + 1, 0) :], address + len(piece)
            if progress is not None:
                progress(address)


def _fitting(words: NDArray[np.uint64], wanted: Values) -> NDArray[np.bool_]:
    kind = words.dtype.type
    if wanted.mask >> 8 * wanted.width - 1 == 0:
        words = words & kind(wanted.mask)
    fitting: NDArray[np.bool_] = (words >= kind(wanted.low)) & (words <= kind(wanted.high))
    return fitting


def find_bytes(
    memory: Memory,
    ranges: Iterable[tuple[int, int]],
    wanted: bytes,
    chosen: Chosen | None = None,
    progress: ReadProgress | None = None,
) -> Iterator[int]:
    """Yield the addresses where these bytes lie (one occurrence may overlap the next, or lie in two ranges side by
    side), as find_words()."""
    tail, reached = b"", 0
    for pieces, data in _together(memory, ranges):
        address = pieces[0][1]
        if address != reached:
            tail = b""
        # What begins in the last bytes of one piece may end in the next.
        seam = tail + bytes(data[: min(len(wanted) - 1, pieces[0][2])])
        hits = [address - len(tail) + place for place in _places(seam, wanted)]
        for place in _places(bytes(data), wanted):
            at, address, size = pieces[bisect_right(pieces, (place, _HIGHEST)) - 1]
            if place + len(wanted) <= at + size:
                hits.append(address + place - at)
        if chosen is not None and hits:
            hits = np.array(hits, np.uint64)[chosen(np.array(hits, np.uint64))].tolist()
        yield from hits
        at, address, size = pieces[-1]
        reached, last = (
            address + size,
            (tail if len(pieces) == 1 else b"") + bytes(data[at:][1 - len(wanted) or size :]),
        )
        tail = last[1 - len(wanted) or len(last) :]
        if progress is not None:
            progress(address)


def _together(memory: Memory, ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[list[_Piece], memoryview]]:
    """Yield all that can be read of the ranges, in order: some pieces, and their bytes, one behind the other. Small
    ranges are read many at a time, where the memory can do that."""
    buffer = memoryview(bytearray(_BUFFER))
    for spans in _groups(ranges):
        size = sum(end - start for start, end in spans)
        if len(spans) > 1 and isinstance(memory, LiveMemory) and memory.read_spans(spans, buffer[:size]):
            yield _joined(spans), buffer[:size]
            continue
        for start, end in spans:
            for address, data in readable_pieces(memory, start, end, _BUFFER):
                yield [(0, address, len(data))], data


def _groups(ranges: Iterable[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Yield ranges that fit into the buffer together, others alone."""
    group: list[tuple[int, int]] = []
    size = 0
    for start, end in ranges:
        if group and size + end - start > _BUFFER:
            yield group
            group, size = [], 0
        group.append((start, end))
        size += end - start
    if group:
        yield group


def _joined(spans: Iterable[tuple[int, int]]) -> list[_Piece]:
    """Return the pieces that spans are, those side by side made one."""
    pieces: list[_Piece] = []
    at = 0
    for start, end in spans:
        if pieces and sum(pieces[-1][1:]) == start:
            place, address, size = pieces.pop()
            pieces.append((place, address, size + end - start))
        else:
            pieces.append((at, start, end - start))
        at += end - start
    return pieces


def _places(data: bytes, wanted: bytes) -> Iterator[int]:
    """Yield where the bytes lie. (bytes.find() looks for the first ones at the speed of memory; a regular expression
    that lets occurrences overlap tries every place, 25 times as slowly.)"""
    place = data.find(wanted)
    while place >= 0:
        yield place
        place = data.find(wanted, place + 1)
