"""heap leaks on a million blocks of eight threads, live and in a core, against reading that memory once; and a lost list against a lost array.

python3 tests/bench/leaks.py [BLOCKS]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "live")]

import numpy as np  # noqa: E402
from gdb_runs import run_gdb  # noqa: E402
from programs import build  # noqa: E402

from gdbheap.analysis.leaks.reach import UNSEEN, Adjacency, find_heads  # noqa: E402
from gdbheap.process.live_memory import LiveMemory  # noqa: E402
from gdbheap.process.memory import ImageMemory, readable_pieces  # noqa: E402
from gdbheap.process.proc_maps import read_maps  # noqa: E402

# Said in gdb: what a command takes, and gdb's largest size so far in MiB.
TIMED = """
import resource, time
def timed(line):
    start, busy = time.perf_counter(), time.process_time()
    gdb.execute(line, to_string=True)
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    print(f"@ {line}: {seconds:.2f} s ({busy:.2f} s of the processor), gdb at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")
"""
COMMANDS = ("gdbheap", "heap", "heap leaks", "heap leaks", "heap rss", "heap snapshot --output {}/snapshot --replace")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    program = build("leaks_made", f"-DCOUNT={count}", "-DTHREADS=8", "-O2")
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "timed.py").write_text(TIMED)
        with stopped(program) as pid:
            size, seconds = read_once(pid)
            print(f"{count:,} blocks: {size >> 20:,} MiB of private memory, read once in {seconds:.2f} s")
            measure("live", ["-p", str(pid)], directory)
            core = f"{directory}/core"
            run_gdb(["gdb", "-nx", "-q", "-batch", "-ex", f"generate-core-file {core}", "-p", str(pid)], patience=600)
        measure("core", [str(program), core], directory)
    list_against_array(count)


@contextmanager
def stopped(program: Path) -> Iterator[int]:
    """Run the program to its stop and yield its pid; its records are thrown away."""
    process = subprocess.Popen([str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        tail = b""
        while not tail.endswith(b"ready\n"):
            piece = os.read(process.stdout.fileno(), 1 << 20)
            assert piece
            tail = (tail + piece)[-6:]
        yield process.pid
    finally:
        process.kill()
        process.communicate()


def read_once(pid: int) -> tuple[int, float]:
    """Return the bytes of anonymous writable memory, and the seconds that reading them through one buffer takes."""
    space = read_maps(pid)
    memory = LiveMemory(pid, ImageMemory([]), space)
    spans = [(vma.start, vma.end) for vma in space if vma.writable and not vma.is_file and vma.path != "[stack]"]
    start = time.perf_counter()
    size = sum(len(piece) for low, high in spans for _, piece in readable_pieces(memory, low, high))
    return size, time.perf_counter() - start


def measure(what: str, target: list[str], directory: str) -> None:
    words = ["gdb", "-nx", "-q", "-batch", "-iex", "set confirm off", *target, "-ex", f"source {ROOT}/gdb_init.py"]
    words += ["-ex", f"source {directory}/timed.py"]
    for command in COMMANDS:
        words += ["-ex", f"python timed('{command.format(directory)}')"]
    for line in run_gdb(words, patience=600).splitlines():
        if line.startswith("@ "):
            print(f"{what}: {line[2:].replace(directory + '/', '')}")


def list_against_array(count: int) -> None:
    """Print what judging a lost list of `count` blocks costs, in order and shuffled, beside as many lost blocks with no pointers."""
    shuffled = np.random.default_rng(1).permutation(count)
    none = np.empty(0, np.int32)
    shapes = {
        "array": (none, none),
        "list in order": (np.arange(count - 1), np.arange(1, count)),
        "list shuffled": (shuffled[:-1], shuffled[1:]),
        "ring shuffled": (shuffled, np.roll(shuffled, -1)),
        "list shuffled, linked both ways": (
            np.concatenate((shuffled[:-1], shuffled[1:])),
            np.concatenate((shuffled[1:], shuffled[:-1])),
        ),
    }
    for name, (source, target) in shapes.items():
        order = np.argsort(source, kind="stable")
        source, target = source[order].astype(np.int32), target[order].astype(np.int32)
        owner = np.full(count, UNSEEN, np.int32)
        start = time.perf_counter()
        find_heads(Adjacency(count, source, target), source, target, owner)
        print(f"judging a lost {name} of {count:,}: {time.perf_counter() - start:.2f} s")


if __name__ == "__main__":
    main()
