"""The file behind a mapping of a live process: its bytes, without touching the process's pages."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from io import FileIO

from gdbheap.errors import NoProcess
from gdbheap.files import open_regular
from gdbheap.process.address_space import VMA
from gdbheap.process.live.kernel_page import KERNEL_PAGE
from gdbheap.process.live.proc_maps import read_smaps

# shmem's files without a name (shared anonymous memory), and those of tmpfs; all else below /dev may be a device.
_NOT_DEVICES = ("/dev/zero (deleted)", "/dev/shm/")
# VmFlags of mappings whose pages are no memory: VM_IO and VM_PFNMAP.
_DEVICES_PAGES = frozenset({"io", "pf"})


def may_be_device(vma: VMA) -> bool:
    """Whether the mapping, by its name, is of a device, or of a file system that is mounted below /dev (hugetlbfs)."""
    return vma.path.startswith("/dev/") and not vma.path.startswith(_NOT_DEVICES)


def is_device(pid: int | None, vma: VMA) -> bool:
    """Whether the mapping is of a device, by what the file is, or else by what its pages are; by its name where
    nobody tells (`pid` None)."""
    if not may_be_device(vma) or pid is None:
        return may_be_device(vma)
    modes = [status.st_mode for _, status in _statuses(pid, vma)]
    if modes:
        return not stat.S_ISREG(modes[0])
    try:
        usage = next((each for each in read_smaps(pid) if each.vma.start == vma.start), None)
    except NoProcess:
        usage = None
    return usage is None or not usage.flags or bool(usage.flags & _DEVICES_PAGES)


def may_be_regular_file(vma: VMA) -> bool:
    """Whether the mapping may be of a file that may be opened: open_mapped_file() opens no other."""
    return vma.is_file and vma.path.startswith("/")


def _statuses(pid: int, vma: VMA) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the paths by which the very file that is mapped can be opened, and its status: by the kernel's own link
    (a privilege), by its name if it still has that one."""
    link = f"/proc/{pid}/map_files/{vma.start:x}-{vma.end:x}"
    for path in (link, f"/proc/{pid}/root{vma.path}"):
        try:
            status = os.stat(path)
        except (OSError, ValueError):
            continue
        device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
        if path == link or (status.st_ino, device) == (vma.inode, vma.device):
            yield path, status


def open_mapped_file(pid: int, vma: VMA) -> FileIO | None:
    """Return the very file that is mapped, opened: by the kernel's own link (a privilege), else by its name if it
    still has that one. None where it cannot be opened, or is no regular file."""
    for path, status in _statuses(pid, vma):
        try:
            file = open_regular(path)
        except OSError:
            continue
        if os.path.samestat(os.fstat(file.fileno()), status):
            return file
        file.close()
    return None


def read_mapped_file(file: FileIO, offset: int, buffer: memoryview) -> int:
    """Fill `buffer` with what a fresh page of the mapping would hold at `offset` of the file; return its length.

    The page in which the file ends goes on with zeros; raise OSError beyond it, where touching is SIGBUS.
    """
    size = len(buffer)
    end = os.fstat(file.fileno()).st_size
    if offset + size > -(-end // KERNEL_PAGE) * KERNEL_PAGE:
        raise OSError(f"the file ends at {end:#x}")
    done = 0
    while offset + done < end and done < size:
        count = os.preadv(file.fileno(), [buffer[done:]], offset + done)
        if count == 0:
            break
        done += count
    buffer[done:] = bytes(size - done)
    return size
