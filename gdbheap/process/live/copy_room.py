"""Room for a copy of what a process has written: in memory where that has twice as much, else on disk."""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from io import FileIO

from gdbheap.errors import NoProcess
from gdbheap.files import kernel_text, open_unnamed
from gdbheap.process.address_space import AddressSpace
from gdbheap.process.live.live_memory import is_private_anonymous

# As much again may be written between the estimate and the moment that the process stands still.
_SLACK = 64 << 20
_POPULATE_WRITE = 23  # madvise(2), Linux 5.14
_UNLIMITED = 1 << 62


class CopyRoom:
    """So many bytes of memory, or of a file without a name; `view` is all of it."""

    def __init__(self, size: int, file: FileIO | None = None) -> None:
        flags = mmap.MAP_SHARED if file is not None else mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        self._map = mmap.mmap(-1 if file is None else file.fileno(), size, flags)
        self.view = memoryview(self._map)
        self._taken = 0

    def make_ready(self, size: int) -> None:
        """Have the kernel give the pages of the first so many bytes now."""
        with suppress(OSError, AttributeError):
            self._map.madvise(mmap.MADV_HUGEPAGE)
        with suppress(OSError):
            self._map.madvise(_POPULATE_WRITE, 0, min(size, len(self.view)))

    def take(self, size: int) -> int | None:
        """Return where so many bytes lie that nobody has taken before, None where there are no more."""
        place = self._taken
        if place + size > len(self.view):
            return None
        self._taken += size
        return place


def room_for_copy(pid: int, space: AddressSpace) -> CopyRoom | None:
    """Return room for what a process with these mappings has written, made ready as far as that is in memory; None
    where neither memory nor the disk has it, or the process is gone."""
    try:
        written = _written(pid)
    except (NoProcess, OSError):
        return None
    files = sum(vma.size for vma in space if vma.writable and not is_private_anonymous(vma) and vma.size <= _SLACK)
    size = written + written // 8 + files + _SLACK
    try:
        if 2 * size <= free_memory():
            room = CopyRoom(size)
            room.make_ready(written)
            return room
        with open_unnamed() as file:
            on_disk = os.fstatvfs(file.fileno())
            if 2 * size > on_disk.f_bavail * on_disk.f_frsize:
                return None
            os.posix_fallocate(file.fileno(), 0, size)
            return CopyRoom(size, file)
    except (OSError, ValueError, OverflowError):
        return None


def free_memory() -> int:
    """Return how many bytes of memory programs may still take here: of the machine's, and of what this process's
    control groups are allowed."""
    available = _number(_text("/proc/meminfo").partition("MemAvailable:")[2].partition("kB")[0]) << 10
    for line in _text("/proc/self/cgroup").split("\n"):
        _, controllers, path = f"{line}::".split(":", 2)
        path = path.rstrip(":")
        if not controllers:
            limit, used, root = "memory.max", "memory.current", "/sys/fs/cgroup"
        elif "memory" in controllers.split(","):
            limit, used, root = "memory.limit_in_bytes", "memory.usage_in_bytes", "/sys/fs/cgroup/memory"
        else:
            continue
        while True:
            most = _number(_text(f"{root}{path}/{limit}"), _UNLIMITED)
            available = min(available, max(most - _number(_text(f"{root}{path}/{used}")), 0))
            if path in ("", "/"):
                break
            path = os.path.dirname(path)
    return available


def _written(pid: int) -> int:
    """Return how many bytes of a process are in memory or swapped; raise OSError."""
    fields = dict(line.partition(":")[::2] for line in kernel_text(f"/proc/{pid}/status").split("\n"))
    return sum(_number(fields.get(name, "").rstrip("kB")) << 10 for name in ("VmRSS", "VmSwap"))


def _number(text: str, without: int = 0) -> int:
    return int(text) if text.strip().isdecimal() else without


def _text(path: str) -> str:
    try:
        return kernel_text(path)
    except OSError:
        return ""
