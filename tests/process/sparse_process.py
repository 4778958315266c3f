"""A child process with a large mapping of which it has touched some pages, to read from outside; run as a program it is that child."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PAGE = 4096
MAP_NORESERVE = 0x4000


@dataclass(frozen=True)
class Child:
    """`address` is where the mapping of `size` bytes is."""

    pid: int
    address: int
    size: int

    def resident_pages(self) -> set[int]:
        """Return the indices of the mapping's pages that the kernel has mapped, from pagemap."""
        with open(f"/proc/{self.pid}/pagemap", "rb", buffering=0) as pagemap:
            data = os.pread(pagemap.fileno(), self.size // PAGE * 8, self.address // PAGE * 8)
        return {index for index, top in enumerate(data[7::8]) if top & 0xC0}

    def status(self, name: str) -> int:
        """Return a size of /proc/PID/status, in kB (VmRSS, VmPTE)."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name}:"))


@contextmanager
def sparse_process(size: int, step: int) -> Iterator[Child]:
    """Run a child with a private anonymous mapping of `size` bytes, every `step`th page written (step 0: none); yield it."""
    child = subprocess.Popen(
        [sys.executable, __file__, str(size), str(step)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        yield Child(child.pid, int(child.stdout.readline(), 16), size)
    finally:
        child.communicate()


def main(size: int, step: int) -> None:
    import ctypes

    area = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    # Huge pages would touch more than was asked for (MADV_NOHUGEPAGE).
    ctypes.CDLL(None).madvise(ctypes.c_void_p(address), ctypes.c_size_t(size), 15)
    for page in range(0, size, step * PAGE) if step else ():
        area[page : page + 8] = page.to_bytes(8, "little")
        area[page + PAGE - 1] = 0xEE
    print(f"{address:x}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
