"""The memory of a live process on this machine, read wide through /proc/PID/mem, without a trace in the process.

Reading a page that the process has never touched makes the kernel map one there: the shared zero page
(do_anonymous_page() in mm/memory.c), a page of the file, for shared anonymous memory even a new one. The process's
page tables grow, and what was "never touched" no longer is. So /proc/PID/pagemap is asked first. Such pages of
private anonymous memory are given as the zeros that they are, those of a regular file as read from the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from io import FileIO
from typing import TYPE_CHECKING

from gdbheap.errors import MemoryFault, NoProcess
from gdbheap.files import open_regular
from gdbheap.kernel.kernel import kernel
from gdbheap.lazy import np
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.live.kernel_page import KERNEL_PAGE
from gdbheap.process.live.mapped_file import may_be_regular_file, open_mapped_file, read_mapped_file
from gdbheap.process.live.vector_reads import read_spans
from gdbheap.process.memory import Memory

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Beyond it no file offset reaches: vsyscall's page alone lies there.
_LAST_OFFSET = (1 << 63) - 1

_ENTRY = 8

# One read of pagemap covers this much: 4 KiB of it, kept as 512 bytes.
_BLOCK = 512 * KERNEL_PAGE
_BLOCK_ENTRIES = _BLOCK // KERNEL_PAGE

_ZEROS = memoryview(bytes(_BLOCK))

# 32,768 blocks are 64 GiB of process and 18 MB here.
_MOST_BLOCKS = 1 << 15

# The top byte of an entry: bit 63 "present", bit 62 "swapped", which is also set for a guard page
# (Documentation/admin-guide/mm/pagemap.rst).
_TOUCHED = bytes(1 if top & 0xC0 else 0 for top in range(256))


# So many rows are read at once, if they lie so far apart, in bytes, on the average (no distance counts as more than
# _GAP).
_MANY_ROWS = 16
_SCATTERED = 4 << 10
_GAP = 16 << 10


def _are_scattered(addresses: NDArray[np.uint64]) -> bool:
    apart = np.minimum(addresses[1:] - addresses[:-1], np.uint64(_GAP))
    return int(apart.sum()) > _SCATTERED * len(addresses)


class LiveMemory:
    """Memory of process `pid`. Where the kernel does not open it for us, `fallback` (the debugger's own reads) serves.

    Untouched pages are known by `space`; without it, or where pagemap is closed to us, they are read like all others.
    It belongs to one stop: the file to the address space that the process had when this was made (after an exec,
    make another), and what pagemap said is kept.
    """

    def __init__(self, pid: int, fallback: Memory, space: AddressSpace | None = None) -> None:
        self._fallback = fallback
        self._space = space
        self._pid = pid
        self._file = _open(f"/proc/{pid}/mem")
        self._number = -1 if self._file is None else self._file.fileno()
        self._handles = pid, self._number
        self._pagemap = _open(f"/proc/{pid}/pagemap") if space is not None else None
        self._blocks: dict[int, bytes] = {}
        self._vma = VMA(0, 0, "---p")
        # Whether the noted mapping's untouched pages need not be read from the process.
        self._sparse = False
        self._anonymous: AddressSpace | None = None
        # Where private anonymous memory begins, and ends.
        self._private: tuple[NDArray[np.uint64], NDArray[np.uint64]] | None = None
        self._mapped: tuple[VMA, FileIO | None] | None = None

    def read(self, address: int, size: int) -> bytes:
        if size <= 0:
            return b""
        # Words come one after the other from one touched page: the shortest way for them.
        if self._sparse and self._vma.start <= address < self._vma.end - size:
            index, within = divmod(address, _BLOCK)
            touched = self._blocks.get(index)
            if touched and touched[within // KERNEL_PAGE] and within % KERNEL_PAGE + size <= KERNEL_PAGE:
                return self._read_words(address, size)
        data = bytearray(size)
        self.read_into(address, memoryview(data))
        return bytes(data)

    def read_into(self, address: int, buffer: memoryview) -> None:
        size = len(buffer)
        if self._file is None or address + size > _LAST_OFFSET:
            self._fallback.read_into(address, buffer)
            return
        try:
            done = 0 if self._pagemap is not None else self._pread(address, buffer)
            while done < size:
                done += self._read_piece(address + done, buffer[done:] if done else buffer)
        except OSError as error:
            raise MemoryFault(address, size) from error

    def read_spans(self, spans: Sequence[tuple[int, int]], buffer: memoryview) -> bool:
        """Fill the buffer with the bytes of spans that the process has touched, one behind the other; whether that
        could be done at once."""
        return self._file is not None and read_spans(self._pid, spans, buffer) == len(buffer)

    def read_rows(self, addresses: NDArray[np.uint64], rows: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
        """Fill rows with the bytes from each address on, which ascend: those that lie in pages that the process has
        touched, of private anonymous memory. Return which these are; None where there is no such short way, or it
        would be none, as they are few or lie close."""
        fast, size = kernel(), rows.shape[1]
        if fast is None or self._file is None or self._pagemap is None or size > KERNEL_PAGE:
            return None
        if len(addresses) < _MANY_ROWS or not _are_scattered(addresses):
            return None
        if self._private is None:
            spans = [(vma.start, vma.end) for vma in _side_by_side(self._space or ())]
            start, end = np.array(spans, np.uint64).reshape(-1, 2).T
            self._private = np.ascontiguousarray(start), np.ascontiguousarray(end)
        addresses = np.ascontiguousarray(addresses)
        last = addresses + np.uint64(size - 1)
        held = np.flatnonzero(fast.inside(*self._private, addresses) & fast.inside(*self._private, last))
        held = held[self._are_touched(addresses[held]) & self._are_touched(last[held])]
        found = np.empty((len(held), size), np.uint8)
        if not fast.read_rows(self._handles, addresses[held], found):
            return None
        known = np.zeros(len(addresses), np.bool_)
        known[held], rows[held] = True, found
        return known

    def _are_touched(self, addresses: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which of the addresses, which ascend, lie in pages that the process has touched."""
        index = addresses // np.uint64(_BLOCK)
        begins = np.ones(len(index), np.bool_)
        np.not_equal(index[1:], index[:-1], out=begins[1:])
        touched = b"".join(self._blocks.get(each) or self._load(each) for each in index[begins].tolist())
        page = addresses // np.uint64(KERNEL_PAGE) % np.uint64(_BLOCK_ENTRIES)
        place = (np.cumsum(begins) - 1) * _BLOCK_ENTRIES + page.astype(np.int64)
        found: NDArray[np.bool_] = np.frombuffer(touched, np.bool_)[place]
        return found

    def is_untouched(self, start: int, end: int) -> bool:
        """Whether the process is known never to have touched a page of [start, end): cheaply told of thousands of
        small mappings side by side; False where it is not, or of one that is larger."""
        if self._pagemap is None or end - start > _BLOCK:
            return False
        while start < end:
            index, within = divmod(start, _BLOCK)
            until = min(end - start + within, _BLOCK)
            touched = self._blocks.get(index) or self._load(index)
            if touched.find(1, within // KERNEL_PAGE, -(-until // KERNEL_PAGE)) >= 0:
                return False
            start += until - within
        return True

    def _read_piece(self, address: int, buffer: memoryview) -> int:
        """Fill the front of `buffer`, at most to the end of one mapping and of one block of pagemap; return how many
        bytes; raise OSError."""
        if not self._vma.start <= address < self._vma.end:
            self._find_mapping(address)
        size = min(len(buffer), self._vma.end - address)
        if self._sparse:
            index, within = divmod(address, _BLOCK)
            return self._read_block(
                address, buffer[: min(size, _BLOCK - within)], self._blocks.get(index) or self._load(index)
            )
        return self._pread(address, buffer[:size])

    def _read_block(self, address: int, buffer: memoryview, touched: bytes) -> int:
        """Fill `buffer` from within one block of pagemap, pages of one kind at a time; return its length; raise
        OSError."""
        size, within = len(buffer), address % _BLOCK
        fast = kernel() if size > KERNEL_PAGE and not self._vma.is_file else None
        pages = touched[within // KERNEL_PAGE :]
        if fast is not None and fast.read_pages(self._handles, address, buffer, pages, KERNEL_PAGE) == size:
            return size
        page, last = within // KERNEL_PAGE, (within + size - 1) // KERNEL_PAGE
        done = 0
        # (In a heap that was touched here and there this goes round some ten thousand times for each 100 MiB.)
        while page <= last:
            kind = touched[page]
            change = touched.find(1 - kind, page + 1, last + 1)
            page = change if change > 0 else last + 1
            until = page * KERNEL_PAGE - within if change > 0 else size
            piece = buffer[done:until]
            if kind:
                self._pread(address + done, piece)
            else:
                self._read_behind(address + done, piece)
            done = until
        return size

    def _find_mapping(self, address: int) -> None:
        """Note the mapping that holds the address (a made-up one of a page where the space knows of none), private
        anonymous ones side by side as one: a program may have thousands."""
        if self._anonymous is None:
            self._anonymous = AddressSpace(_side_by_side(self._space or ()))
        vma = self._anonymous.find(address)
        if vma is None and self._space is not None:
            vma = self._space.find(address)
        page = address & -KERNEL_PAGE
        self._vma = vma or VMA(page, page + KERNEL_PAGE, "---p")
        self._sparse = vma is not None and (is_private_anonymous(vma) or may_be_regular_file(vma))

    def _read_behind(self, address: int, buffer: memoryview) -> int:
        """Fill `buffer` with what untouched pages of the noted mapping hold; return its length; raise OSError beyond
        a file's last page."""
        vma = self._vma
        if not vma.is_file:
            buffer[:] = _ZEROS[: len(buffer)]
            return len(buffer)
        if self._mapped is None or self._mapped[0] is not vma:
            self._mapped = (vma, open_mapped_file(self._pid, vma))
        file = self._mapped[1]
        if file is None:
            return self._pread(address, buffer)
        return read_mapped_file(file, vma.offset + address - vma.start, buffer)

    def _load(self, index: int) -> bytes:
        """Return, and keep, a byte for each page of a block: 1 where the process has touched it. Unknown counts as
        touched."""
        data = b""
        if self._pagemap is not None:
            try:
                data = os.pread(self._pagemap.fileno(), _BLOCK_ENTRIES * _ENTRY, index * _BLOCK_ENTRIES * _ENTRY)
            except OSError:
                data = b""
        touched = data[_ENTRY - 1 :: _ENTRY].translate(_TOUCHED).ljust(_BLOCK_ENTRIES, b"\1")
        if len(self._blocks) >= _MOST_BLOCKS:
            self._blocks.clear()
        self._blocks[index] = touched
        return touched

    def _read_words(self, address: int, size: int) -> bytes:
        assert self._file is not None
        try:
            data = os.pread(self._file.fileno(), size, address)
        except OSError as error:
            raise MemoryFault(address, size) from error
        if not data:
            raise self._gone()
        if len(data) != size:
            raise MemoryFault(address, size)
        return data

    def _pread(self, address: int, buffer: memoryview) -> int:
        """Fill `buffer` and return its length; raise OSError."""
        assert self._file is not None
        size = len(buffer)
        done = os.preadv(self._number, [buffer], address) if size else 0
        while done < size:
            count = os.preadv(self._number, [buffer[done:]], address + done)
            if count == 0:
                raise self._gone()
            done += count
        return done

    def _gone(self) -> NoProcess:
        """Return the error for a file that has an end: what cannot be read is EIO, and there is an end only where
        there is no memory any more (mem_rw() in fs/proc/base.c)."""
        return NoProcess(
            f"process {self._pid} was killed, or runs another program by now: its memory is gone, and was not read "
            "before"
        )


def _side_by_side(vmas: Iterable[VMA]) -> list[VMA]:
    """Return the private anonymous mappings in order, those that touch made one."""
    starts: list[int] = []
    ends: list[int] = []
    for vma in vmas:
        if is_private_anonymous(vma):
            if ends and ends[-1] == vma.start:
                ends[-1] = vma.end
            else:
                starts.append(vma.start)
                ends.append(vma.end)
    return [VMA(start, end, "---p") for start, end in zip(starts, ends)]


def is_private_anonymous(vma: VMA) -> bool:
    """Whether the mapping's pages, until they are written, are zeros of nobody else's: a page that was never touched
    needs no reading."""
    path = vma.path
    named = not path or path in ("[heap]", "[stack]") or path.startswith("[anon:")
    return named and not vma.inode and vma.shared is False


def _open(path: str) -> FileIO | None:
    """Return the open file, or None where the kernel refuses."""
    try:
        return open_regular(path)
    except OSError:
        return None
