"""How much the care for untouched pages costs: LiveMemory against a bare preadv, on the same process, in the same run.

python3 tests/bench/live_memory.py
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from gdbheap.process.live.live_memory import LiveMemory  # noqa: E402
from gdbheap.process.live.proc_maps import read_maps  # noqa: E402
from gdbheap.process.memory import ImageMemory  # noqa: E402
from support.sparse_process import PAGE, Child, sparse_process  # noqa: E402

SIZE = 256 << 20
SMALL = 50_000


def best(work: Callable[[], None]) -> float:
    """Return the shortest of five runs, in seconds."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    for step, what in ((1, "all pages touched"), (2, "every second page touched"), (64, "one page in 64 touched")):
        with sparse_process(SIZE, step) as child:
            wide(child, what)
            if step == 1:
                small(child)


def wide(child: Child, what: str) -> None:
    buffer = memoryview(bytearray(1 << 20))
    space = read_maps(child.pid)

    def ours() -> None:
        memory = LiveMemory(child.pid, ImageMemory([]), space)
        for at in range(0, SIZE, len(buffer)):
            memory.read_into(child.address + at, buffer)

    # First ours: the bare reads then touch every page.
    seconds = best(ours)
    bare = best(lambda: bare_reads(child, buffer))
    print(
        f"{what}: {SIZE / seconds / 1e9:.1f} GB/s, bare preadv {SIZE / bare / 1e9:.1f} GB/s, ratio {bare / seconds:.2f}"
    )


def bare_reads(child: Child, buffer: memoryview) -> None:
    with open(f"/proc/{child.pid}/mem", "rb", buffering=0) as file:
        for at in range(0, SIZE, len(buffer)):
            os.preadv(file.fileno(), [buffer], child.address + at)


def small(child: Child) -> None:
    memory = LiveMemory(child.pid, ImageMemory([]), read_maps(child.pid))
    addresses = [child.address + at * PAGE for at in range(SMALL)]
    ours = best(lambda: [memory.read(address, 16) for address in addresses] and None)
    with open(f"/proc/{child.pid}/mem", "rb", buffering=0) as file:
        bare = best(lambda: [os.pread(file.fileno(), 16, address) for address in addresses] and None)
    print(f"16 bytes: {ours / SMALL * 1e6:.2f} µs, bare pread {bare / SMALL * 1e6:.2f} µs, ratio {bare / ours:.2f}")


if __name__ == "__main__":
    main()
