"""The file behind a mapping of a live process: its bytes, without touching the process's pages."""

from __future__ import annotations

import os
from io import FileIO

from gdbheap.files import open_regular
from gdbheap.process.address_space import VMA
from gdbheap.process.memory import PAGE

# shmem's files without a name (shared anonymous memory), and those of tmpfs; all else below /dev may be a device.
_NOT_DEVICES = ("/dev/zero (deleted)", "/dev/shm/")


def may_be_regular_file(vma: VMA) -> bool:
    """Whether the mapping is of a file that may be opened."""
    return vma.is_file and (not vma.path.startswith("/dev/") or vma.path.startswith(_NOT_DEVICES))


def open_mapped_file(pid: int, vma: VMA) -> FileIO | None:
    """Return the very file that is mapped, opened: by the kernel's own link (a privilege), else by its name if it still has that one.
    None where it cannot be opened, or is no regular file."""
    link = f"/proc/{pid}/map_files/{vma.start:x}-{vma.end:x}"
    for path in (link, f"/proc/{pid}/root{vma.path}"):
        try:
            file = open_regular(path)
        except OSError:
            continue
        status = os.fstat(file.fileno())
        device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
        if path == link or (status.st_ino, device) == (vma.inode, vma.device):
            return file
        file.close()
    return None


def read_mapped_file(file: FileIO, offset: int, buffer: memoryview) -> int:
    """Fill `buffer` with what a fresh page of the mapping would hold at `offset` of the file; return its length.

    The page in which the file ends goes on with zeros; raise OSError beyond it, where touching is SIGBUS.
    """
    size = len(buffer)
    end = os.fstat(file.fileno()).st_size
    if offset + size > -(-end // PAGE) * PAGE:
        raise OSError(f"the file ends at {end:#x}")
    done = 0
    while offset + done < end and done < size:
        count = os.preadv(file.fileno(), [buffer[done:]], offset + done)
        if count == 0:
            break
        done += count
    buffer[done:] = bytes(size - done)
    return size
