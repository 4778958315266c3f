"""Memory: the words of the modelled process, page by page, made when first touched."""

from __future__ import annotations

import struct
from collections.abc import Callable

from gdbheap.model.errors import Segv
from gdbheap.model.ranges import SortedRanges

# Memory is kept in pieces of the smallest page of any machine; every page is a whole number of them.
PAGE = 4096


class ModelMemory:
    """Little-endian words of `word` (4 or 8) bytes in the stretches that `accessible` holds; all else is SIGSEGV.

    A page never written is zero, or what `source(page_address)` gives (PAGE bytes; None: zero, or Segv where it is
    not accessible either).
    """

    def __init__(self, pointer_size: int, source: Callable[[int], bytes | None] | None = None) -> None:
        self.pointer_size = pointer_size
        self.accessible = SortedRanges()
        self._source = source
        self._mask = (1 << (8 * pointer_size)) - 1
        self._odd = pointer_size - 1
        self._shift = 3 if pointer_size == 8 else 2
        self._pages: dict[int, memoryview[int]] = {}
        self._dropped = SortedRanges()

    def load(self, address: int) -> int:
        """Return the word at `address`."""
        if address & self._odd:
            return int.from_bytes(self.read(address, self.pointer_size), "little")
        try:
            return self._pages[address >> 12][(address & 4095) >> self._shift]
        except KeyError:
            address &= self._mask
            return self._page(address)[(address & 4095) >> self._shift]

    def store(self, address: int, value: int) -> None:
        """Put the word `value` (taken modulo the word) at `address`."""
        if address & self._odd:
            self.write(address, (value & self._mask).to_bytes(self.pointer_size, "little"))
            return
        try:
            self._pages[address >> 12][(address & 4095) >> self._shift] = value & self._mask
        except KeyError:
            address &= self._mask
            self._page(address)[(address & 4095) >> self._shift] = value & self._mask

    def load16(self, address: int) -> int:
        """Return the two bytes at an even `address`."""
        value: int = struct.unpack_from("<H", self._bytes(address), address & 4095)[0]
        return value

    def store16(self, address: int, value: int) -> None:
        """Put two bytes at an even `address`."""
        struct.pack_into("<H", self._bytes(address), address & 4095, value & 0xFFFF)

    def load32(self, address: int) -> int:
        """Return the four bytes at `address`, a multiple of 4."""
        value: int = struct.unpack_from("<I", self._bytes(address), address & 4095)[0]
        return value

    def store32(self, address: int, value: int) -> None:
        """Put four bytes at `address`, a multiple of 4."""
        struct.pack_into("<I", self._bytes(address), address & 4095, value & 0xFFFFFFFF)

    def read(self, address: int, size: int) -> bytes:
        """Return `size` bytes at `address`."""
        address &= self._mask
        parts = []
        while size:
            offset = address & 4095
            length = min(size, PAGE - offset)
            parts.append(bytes(self._bytes(address)[offset : offset + length]))
            address += length
            size -= length
        return b"".join(parts)

    def write(self, address: int, data: bytes) -> None:
        """Put `data` at `address`."""
        address &= self._mask
        done = 0
        while done < len(data):
            offset = address & 4095
            length = min(len(data) - done, PAGE - offset)
            self._bytes(address)[offset : offset + length] = data[done : done + length]
            address += length
            done += length

    def clear(self, address: int, size: int) -> None:
        """Put zeros: pages that nothing has touched stay untouched."""
        end = address + size
        while address < end:
            stop = min(end, (address | 4095) + 1)
            number = address >> 12
            if stop - address < PAGE or not self._is_blank(number):
                self.write(address, bytes(stop - address))
            elif number << 12 not in self.accessible:
                raise Segv(address)
            address = stop

    def copy(self, source: int, target: int, size: int) -> None:
        """Copy bytes that do not overlap; from pages that nothing has touched come zeros."""
        while size:
            length = min(size, PAGE - (source & 4095))
            if source not in self.accessible or not self._is_blank(source >> 12):
                self.write(target, self.read(source, length))
            else:
                self.clear(target, length)
            source, target, size = source + length, target + length, size - length

    def drop(self, start: int, end: int) -> None:
        """Forget whole pages: what the kernel does with pages given back. They read as zero where they are (or
        become) accessible."""
        first, last = start >> 12, end >> 12
        if last - first > len(self._pages):
            for number in [each for each in self._pages if first <= each < last]:
                del self._pages[number]
        else:
            for number in range(first, last):
                self._pages.pop(number, None)
        if self._source is not None:
            self._dropped.add(start, end)

    def move(self, start: int, size: int, target: int) -> None:
        """Move whole pages to another place, as mremap does."""
        for number in range(start >> 12, (start + size) >> 12):
            page = self._pages.pop(number, None)
            if page is None and self._source is not None:
                page = self._page(number << 12)
                del self._pages[number]
            if page is not None:
                self._pages[number + ((target - start) >> 12)] = page

    def page(self, number: int) -> bytes | None:
        """Return the bytes of page `number` (its address / 4096), or None if nothing has touched it."""
        page = self._pages.get(number)
        return None if page is None else bytes(page)

    def touched(self) -> list[int]:
        """Return the numbers of all pages that were touched, in order."""
        return sorted(self._pages)

    def _given(self, number: int) -> bytes | None:
        """Return what the source has for an untouched page."""
        return None if self._source is None or number << 12 in self._dropped else self._source(number << 12)

    def _is_blank(self, number: int) -> bool:
        """Return whether a page is untouched, and zero if it is accessible."""
        return number not in self._pages and self._given(number) is None

    def _page(self, address: int) -> memoryview[int]:
        """Return the page that holds `address`."""
        number = address >> 12
        page = self._pages.get(number)
        if page is not None:
            return page
        data = self._given(number)
        if data is None and (number << 12) not in self.accessible:
            raise Segv(address)
        bare = memoryview(bytearray(data or PAGE))
        page = bare.cast("Q") if self.pointer_size == 8 else bare.cast("I")
        self._pages[number] = page
        return page

    def _bytes(self, address: int) -> bytearray:
        data = self._page(address).obj
        assert isinstance(data, bytearray)
        return data
