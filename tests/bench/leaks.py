"""heap leaks on a million blocks of eight threads, live and in a core, against reading that memory once and against
LeakSanitizer's own check of the same program; a lost list against a lost array; and how long a snapshot makes a
process of twice that size stand still, against copying its memory once.

python3 tests/bench/leaks.py [BLOCKS]
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import numpy as np  # noqa: E402

from gdbheap.analysis.pointers.adjacency import Adjacency  # noqa: E402
from gdbheap.analysis.pointers.reach import UNSEEN, find_heads  # noqa: E402
from gdbheap.process.live.live_memory import LiveMemory  # noqa: E402
from gdbheap.process.live.proc_maps import read_maps  # noqa: E402
from gdbheap.process.memory import ImageMemory, readable_pieces  # noqa: E402
from support.gdb_runs import run_gdb  # noqa: E402
from support.programs import build  # noqa: E402

# Said in gdb: what a command takes, and gdb's largest size so far in MiB.
TIMED = """
import re, time
def timed(line):
    start, busy = time.perf_counter(), time.process_time()
    gdb.execute(line, to_string=True)
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    print(f"@ {line}: {seconds:.2f} s ({busy:.2f} s of the processor), gdb at most {peak()} MiB")
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) >> 10
"""
SNAPSHOT = "heap snapshot --output {}/snapshot --replace"
# Each list in a gdb of its own, on the same process.
COMMANDS = (("gdbheap", "heap"), ("heap leaks", "heap leaks", "heap rss"), (SNAPSHOT,))


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
    print(f"LeakSanitizer's check of the same program, in it: {check_of_lsan(count):.2f} s")
    stop_of_a_snapshot(2 * count)
    for flags in ((), ("-DSHUFFLED",)):
        with (
            stopped(build("lost_blocks", f"-DCOUNT={count}", *flags)) as pid,
            tempfile.TemporaryDirectory() as directory,
        ):
            (Path(directory) / "timed.py").write_text(TIMED)
            what = f"a lost {'list, shuffled' if flags else 'array'}, of {count:,} blocks of 24 bytes"
            measure(what, ["-p", str(pid)], directory, [("heap leaks",)])
    list_against_array(count)


def stop_of_a_snapshot(count: int) -> None:
    """Print how long `heap snapshot` lets a process stand still, beside the time that copying its memory takes."""
    with (
        stopped(build("leaks_made", f"-DCOUNT={count}", "-DTHREADS=8", "-O2")) as pid,
        tempfile.TemporaryDirectory() as directory,
    ):
        words = ["gdb", "-nx", "-q", "-batch", "-iex", "set confirm off", "-p", str(pid)]
        words += ["-ex", f"source {ROOT}/gdb_init.py", "-ex", SNAPSHOT.format(directory)]
        found = re.search(r"the process could run on after ([\d.]+) s", run_gdb(words, patience=600))
        assert found
        size, seconds = read_once(pid)
        copying = copy_once(pid, size)
        print(
            f"snapshot of {count:,} blocks, {size >> 20:,} MiB: read after {float(found[1]):.2f} s; reading that "
            f"through one buffer takes {seconds:.2f} s (ratio {float(found[1]) / seconds:.1f}), copying it to new "
            f"memory {copying:.2f} s (ratio {float(found[1]) / copying:.1f})"
        )


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


def check_of_lsan(count: int) -> float:
    """Return the seconds from the program's last record, after which LeakSanitizer checks, to its "ready"."""
    program = build("leaks_made", f"-DCOUNT={count}", "-DTHREADS=8", "-O2", "-fsanitize=leak", "-DWITH_LSAN")
    process = subprocess.Popen([str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    try:
        before, piece = 0.0, b""
        while not piece.endswith(b"ready\n"):
            before = time.perf_counter()
            piece = os.read(process.stdout.fileno(), 1 << 20)
            assert piece
        return time.perf_counter() - before
    finally:
        process.kill()
        process.communicate()


def copy_once(pid: int, size: int) -> float:
    """Return the seconds that copying as much of the process's memory into new memory of our own takes."""
    space = read_maps(pid)
    memory = LiveMemory(pid, ImageMemory([]), space)
    start = time.perf_counter()
    copy = memoryview(bytearray(size))
    at = 0
    for vma in space:
        if vma.writable and not vma.is_file and vma.path != "[stack]":
            for _, piece in readable_pieces(memory, vma.start, vma.end):
                copy[at : at + len(piece)] = piece
                at += len(piece)
    assert at == size
    return time.perf_counter() - start


def measure(what: str, target: list[str], directory: str, sessions: Sequence[tuple[str, ...]] = COMMANDS) -> None:
    words = ["gdb", "-nx", "-q", "-batch", "-iex", "set confirm off", *target, "-ex", f"source {ROOT}/gdb_init.py"]
    words += ["-ex", f"source {directory}/timed.py"]
    environment = {"PYTHONPYCACHEPREFIX": f"{directory}/compiled", "PYTHONDONTWRITEBYTECODE": ""}
    # The first round fills the caches on disk.
    for is_counted in (False, True):
        for commands in sessions:
            lines = (f"python timed('{command.format(directory)}')" for command in commands)
            text = run_gdb([*words, *(word for line in lines for word in ("-ex", line))], environment, 600)
            for line in text.splitlines():
                if is_counted and line.startswith("@ "):
                    print(f"{what}: {line[2:].replace(directory + '/', '')}")


def list_against_array(count: int) -> None:
    """Print what judging a lost list of `count` blocks costs, in order and shuffled, beside as many lost blocks with
    no pointers."""
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
