"""How fast gdbheap is, in ratios measured in one run: `python3 tests/bench/bench.py [COUNT...]`, on this system's own
gdb.

Every time is processor time (on an idle machine that is the time that passes), the best of a few; gdb's own start
and attaching is measured without gdbheap and taken off. The physical baseline is one read of the heap's bytes
through /proc/PID/mem into a reused buffer, and a walk in C from header to header over them.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from support.programs import Running, build, running

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))
COUNTS = (10_000, 100_000, 1_000_000, 10_000_000)
PATIENCE = 600
# Bytes of the columns: address, size, flags, state, arena.
ROW = 8 + 8 + 1 + 1 + 2


@dataclass(frozen=True)
class Run:
    """One gdb: seconds in all, `inside` for each command in it, and its peak memory in KiB."""

    seconds: float
    inside: list[float]
    peak: int


def run_gdb(cache: str, words: list[str], commands: list[str], source: bool = True) -> Run:
    """Run gdb in batch, the commands one by one with a clock around each."""
    lines = ["set confirm off", *([f"source {ROOT / 'gdb_init.py'}"] if source else [])]
    for command in commands:
        lines.append(
            "python import time; _begin = time.process_time(); "
            f"gdb.execute({command!r}, to_string=True); print('@', time.process_time() - _begin)"
        )
    lines.append("python print([line for line in open('/proc/self/status') if line.startswith('VmHWM')][0])")
    said = ["gdb", "-nx", "-q", "-batch"]
    for line in lines:
        said += ["-ex", line]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        said + words,
        env=_environment(cache),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE,
        check=True,
    )
    after, text = resource.getrusage(resource.RUSAGE_CHILDREN), done.stdout.decode()
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    inside = [float(found) for found in re.findall(r"^@ ([\d.e-]+)$", text, re.MULTILINE)]
    if len(inside) != len(commands):
        raise SystemExit(f"a command failed:\n{text}")
    return Run(seconds, inside, int(re.findall(r"VmHWM:\s+(\d+) kB", text)[0]))


def _environment(cache: str) -> dict[str, str]:
    """Return an environment in which Python keeps its compiled files, as it does for users, but not in the checkout."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "XDG_CACHE_HOME": cache, "PYTHONPYCACHEPREFIX": f"{cache}/compiled"}


def best(times: int, measure: Callable[[], Run]) -> Run:
    """Return the fastest of so many runs."""
    return min((measure() for _ in range(times)), key=lambda run: run.seconds)


def heap_of(pid: int) -> tuple[int, int]:
    """Return the [heap] mapping's start and end."""
    found = re.search(r"^([0-9a-f]+)-([0-9a-f]+) .*\[heap\]$", Path(f"/proc/{pid}/maps").read_text(), re.MULTILINE)
    assert found
    return int(found[1], 16), int(found[2], 16)


def seconds_to_read(pid: int) -> float:
    """Return how long one read of the heap takes."""
    start, end = heap_of(pid)
    buffer = memoryview(bytearray(1 << 20))
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(start)
        begin = time.process_time()
        while start < end:
            start += memory.readinto(buffer[: min(len(buffer), end - start)]) or 1 << 20
        return time.process_time() - begin


def seconds_to_walk_in_c(pid: int, directory: str) -> float:
    """Return how long the plainest C program takes to follow the headers in the same memory."""
    program = Path(directory) / "walk"
    if not program.exists():
        subprocess.run(["gcc", "-O2", str(Path(__file__).with_name("walk.c")), "-o", str(program)], check=True)
    start, end = heap_of(pid)
    told = subprocess.run([str(program), str(pid), hex(start), hex(end)], stdout=subprocess.PIPE, check=True)
    return float(told.stdout)


def bench_heap(program: Running, count: int, cache: str, directory: str) -> None:
    """Print what the commands cost on a heap of `count` blocks."""
    target = ["-p", str(program.pid)]
    start, end = heap_of(program.pid)
    middle = f"heap chunk {(start + end) // 2:#x}"
    times = 3 if count <= 1_000_000 else 1
    bare = best(times, lambda: run_gdb(cache, target, [], source=False))
    summary = best(times, lambda: run_gdb(cache, target, ["heap chunks --summary"]))
    chunk = best(times, lambda: run_gdb(cache, target, [middle]))
    again = best(1, lambda: run_gdb(cache, target, ["heap chunks --summary", middle])).inside[1]
    read, walk = (
        min(measure() for _ in range(3))
        for measure in (
            lambda: seconds_to_read(program.pid),
            lambda: seconds_to_walk_in_c(program.pid, directory),
        )
    )
    beyond = summary.seconds - bare.seconds
    memory = (summary.peak - bare.peak) * 1024
    print(
        f"{count:>11,} {(end - start) / 1e6:>8.1f} {read:>8.4f} {walk:>8.4f} {beyond:>9.3f} {beyond / walk:>7.1f} "
        f"{beyond / count * 1e9:>9.0f}"
        f" {chunk.seconds - bare.seconds:>9.3f} {again:>9.4f} {memory / 1e6:>8.0f} {memory / (count * ROW):>7.1f}",
        flush=True,
    )


def bench_start(directory: str) -> None:
    """Print what loading costs, and what finding malloc's state costs at first and from the cache."""
    run_gdb(directory, [], [])  # compiles
    bare = best(10, lambda: run_gdb(directory, [], [], source=False)).seconds
    loaded = best(10, lambda: run_gdb(directory, [], [])).seconds
    print(
        f"gdb's start {bare:.3f} s; with gdbheap {loaded:.3f} s, {loaded / bare:.2f} times; it adds "
        f"{loaded - bare:.3f} s"
    )
    with running(build("many_sizes")) as program:
        target = ["-p", str(program.pid)]
        run_gdb(directory, target, ["heap arenas"])
        shutil.rmtree(Path(directory) / "gdbheap")  # what is cached by build-id
        first = run_gdb(directory, target, ["heap arenas", "heap arenas"]).inside
        cached = min(run_gdb(directory, target, ["heap arenas"]).inside[0] for _ in range(5))
    print(
        f"first `heap arenas` ever {first[0]:.3f} s, with the cache {cached:.3f} s, again at one stop {first[1]:.4f} s"
    )


def main() -> None:
    """Measure all and print."""
    counts = [int(word.replace(",", "")) for word in sys.argv[1:]] or COUNTS
    with tempfile.TemporaryDirectory() as directory:
        bench_start(directory)
        print("seconds beyond bare gdb attached to the same process:")
        print(
            f"{'blocks':>11} {'MB':>8} {'read':>8} {'C walk':>8} {'--summary':>9} {'x walk':>7} {'ns/block':>9}"
            f" {'1 chunk':>9} {'and again':>9} {'peak MB':>8} {'x table':>7}"
        )
        for count in counts:
            with running(build("big"), str(count)) as program:
                bench_heap(program, count, directory, directory)


if __name__ == "__main__":
    main()
