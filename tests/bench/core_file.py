"""A core of a gigabyte: how long it takes to open, and how fast it is read, against memcpy and a bare read, in the same
run.

python3 tests/bench/core_file.py
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from gdbheap.elf.core_file import open_core  # noqa: E402
from support.made_core import Load, make_core, note, prstatus64  # noqa: E402

SIZE = 1 << 30
START = 0x7F0000000000
BLOCK = 1 << 20


def best(work: Callable[[], None]) -> float:
    """Return the shortest of three runs, in seconds."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "core"
        path.write_bytes(make_core([Load(START, bytes(SIZE))], note(1, prstatus64(1))))
        opening = best(lambda: open_core(str(path)) and None)
        memory = open_core(str(path)).memory
        buffer, other = memoryview(bytearray(BLOCK)), memoryview(bytearray(BLOCK))

        def ours() -> None:
            for at in range(0, SIZE, BLOCK):
                memory.read_into(START + at, buffer)

        def bare() -> None:
            with open(path, "rb", buffering=0) as file:
                for at in range(0, SIZE, BLOCK):
                    os.preadv(file.fileno(), [buffer], at)

        def copies() -> None:
            for _ in range(0, SIZE, BLOCK):
                buffer[:] = other

        wide, plain, copied = best(ours), best(bare), best(copies)
        small = best(lambda: [memory.read(START + at * 4096, 16) for at in range(50_000)] and None)
        print(f"open: {opening * 1e3:.1f} ms")
        print(
            f"read: {SIZE / wide / 1e9:.1f} GB/s, bare preadv {SIZE / plain / 1e9:.1f} GB/s (ratio "
            f"{plain / wide:.2f}), memcpy {SIZE / copied / 1e9:.1f} GB/s (ratio {copied / wide:.2f})"
        )
        print(f"16 bytes: {small / 50_000 * 1e6:.2f} µs")


if __name__ == "__main__":
    main()
