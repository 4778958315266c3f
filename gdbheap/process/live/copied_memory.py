"""What a process may write, copied while it stands still: it may run on then."""

from __future__ import annotations

from bisect import bisect_right

from gdbheap.errors import MemoryFault
from gdbheap.process.address_space import AddressSpace
from gdbheap.process.memory import BLOCK, Memory

_DEVICES = "/dev/"


class CopiedMemory:
    """Memory of which the writable part was copied, in blocks; all else is read through `behind`."""

    def __init__(self, behind: Memory) -> None:
        self._behind = behind
        self._blocks: dict[int, tuple[int, bytes]] = {}
        self._places: list[int] = []

    def copy(self, space: AddressSpace, most: int) -> bool:
        """Copy what is writable in a space; whether it was no more than `most` bytes (of zeros none count)."""
        size = 0
        for vma in space:
            if not vma.writable or vma.path.startswith(_DEVICES):
                continue
            for start in range(vma.start, vma.end, BLOCK):
                count = min(BLOCK, vma.end - start)
                try:
                    data = self._behind.read(start, count)
                except MemoryFault:
                    continue
                is_zeros = data.count(0) == count
                size += 0 if is_zeros else count
                if size > most:
                    self._blocks.clear()
                    return False
                self._blocks[start] = (count, b"" if is_zeros else data)
        self._places = sorted(self._blocks)
        return True

    def read(self, address: int, size: int) -> bytes:
        if size <= 0:
            return b""
        data = bytearray(size)
        self.read_into(address, memoryview(data))
        return bytes(data)

    def read_into(self, address: int, buffer: memoryview) -> None:
        done, size = 0, len(buffer)
        while done < size:
            here = address + done
            index = bisect_right(self._places, here) - 1
            start = self._places[index] if index >= 0 else -1
            count, data = self._blocks.get(start, (0, b""))
            if start >= 0 and here < start + count:
                step = min(size - done, start + count - here)
                buffer[done : done + step] = data[here - start : here - start + step] if data else bytes(step)
            else:
                following = self._places[index + 1] if index + 1 < len(self._places) else address + size
                step = min(size - done, following - here)
                self._behind.read_into(here, buffer[done : done + step])
            done += step


class Unreadable:
    """Memory that nobody else can read either."""

    def read(self, address: int, size: int) -> bytes:
        raise MemoryFault(address, size)

    def read_into(self, address: int, buffer: memoryview) -> None:
        raise MemoryFault(address, len(buffer))
