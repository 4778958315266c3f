"""Words and bytes of a stopped process, looked at as addresses of code: the same on every machine."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.errors import MemoryFault
from gdbheap.machine.stopped import StoppedProcess


def executable_words(process: StoppedProcess, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield (address, word) of the words that point to code, the highest first; the words without their signatures."""
    size = process.pointer_size
    end -= end % size
    vma = process.address_space.find(end - size) if end > size else None
    if vma is None:
        return
    start = max(start - start % size, -(-vma.start // size) * size)
    try:
        words = process.words.read_many(start, (end - start) // size)
    except MemoryFault:
        return
    for index in range(len(words) - 1, -1, -1):
        word = process.without_signature(words[index])
        if is_executable(process, word):
            yield start + index * size, word


def is_executable(process: StoppedProcess, address: int) -> bool:
    """Whether the address lies in a mapping that may be executed."""
    vma = process.address_space.find(address)
    return vma is not None and vma.executable


def bytes_at(process: StoppedProcess, address: int, size: int) -> bytes:
    """Return the bytes at an address, b"" where they cannot be read."""
    try:
        return process.memory.read(address, size)
    except (MemoryFault, OverflowError):
        return b""
