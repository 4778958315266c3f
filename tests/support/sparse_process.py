"""A child process with a large mapping of which it has touched some pages, to read from outside; run as a program it
is that child."""

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
def sparse_process(size: int, step: int, file: Path | None = None, sharing: str = "private") -> Iterator[Child]:
    """Run a child with a mapping of `size` bytes, of `file` if there is one, every `step`th page written (step 0:
    none); yield it."""
    child = subprocess.Popen(
        [sys.executable, __file__, str(size), str(step), str(file or ""), sharing],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        address = int(child.stdout.readline(), 16)
        # The child touches nothing more once it waits in read(0, ...).
        while not Path(f"/proc/{child.pid}/syscall").read_text().startswith("0 0x0 "):
            assert child.poll() is None
            os.sched_yield()
        yield Child(child.pid, address, size)
    finally:
        child.communicate()


def main(size: int, step: int, path: str, sharing: str) -> None:
    import ctypes

    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    # Not Python's mmap: that one wants the file to be as long as the mapping.
    flags = (mmap.MAP_SHARED if sharing == "shared" else mmap.MAP_PRIVATE) | MAP_NORESERVE
    file = os.open(path, os.O_RDWR) if path else -1
    flags |= 0 if path else mmap.MAP_ANONYMOUS
    address = libc.mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, file, 0)
    # Huge pages would touch more than was asked for (MADV_NOHUGEPAGE).
    libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(size), 15)
    for page in range(0, size, step * PAGE) if step else ():
        ctypes.memmove(address + page, page.to_bytes(8, "little"), 8)
        ctypes.memmove(address + page + PAGE - 1, b"\xee", 1)
    print(f"{address:x}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
