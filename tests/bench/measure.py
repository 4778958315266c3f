"""What the benchmarks share: gdb's processor time on a program that waits, and what that is held against.

Times are processor seconds, the best of a few runs: other work on the machine hardly shows in them.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from gdbheap.process.live.proc_maps import read_maps  # noqa: E402
from support.programs import build  # noqa: E402

PATIENCE = 3600


@dataclass(frozen=True)
class Cost:
    """What a gdb took: processor seconds, and its largest size in MiB."""

    seconds: float
    peak: int

    def beyond(self, bare: Cost) -> Cost:
        """Return what it took more than another."""
        return Cost(self.seconds - bare.seconds, self.peak - bare.peak)


def cost(cache: str, target: Sequence[str], commands: Sequence[str], times: int = 2, source: bool = True) -> Cost:
    """Return what a gdb that runs these commands takes, the least of so many runs."""
    return min((_run(cache, target, commands, source) for _ in range(times)), key=lambda each: each.seconds)


def _run(cache: str, target: Sequence[str], commands: Sequence[str], source: bool) -> Cost:
    said = ["gdb", "-nx", "-q", "-batch", "-ex", "set confirm off", "-ex", "set print thread-events off"]
    lines = [f"source {ROOT / 'gdb_init.py'}"] if source else []
    lines += [f"python gdb.execute({command!r}, to_string=True); print('@')" for command in commands]
    lines.append("python print(open('/proc/self/status').read())")
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = {**kept, "XDG_CACHE_HOME": cache, "PYTHONPYCACHEPREFIX": f"{cache}/compiled"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*said, *(word for line in lines for word in ("-ex", line)), *target],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE,
        check=True,
    )
    after, text = resource.getrusage(resource.RUSAGE_CHILDREN), done.stdout.decode()
    if len(re.findall(r"^@$", text, re.MULTILINE)) != len(commands):
        raise SystemExit(f"a command failed:\n{text}")
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(seconds, int(re.findall(r"VmHWM:\s+(\d+) kB", text)[0]) >> 10)


@contextmanager
def scaled(kind: str, count: int, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run fixtures/programs/scaled.cc to its stop (with -DWITH_LSAN, to where LeakSanitizer's check begins)."""
    words = [str(build("scaled", *flags)), kind, str(count)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None and process.stdout.readline() in (b"ready\n", b"made\n")
        yield process
    finally:
        process.kill()
        process.communicate()


def seconds_to_read(pid: int) -> float:
    """Return the processor seconds that reading all private writable memory once through one buffer takes."""
    buffer = memoryview(bytearray(1 << 20))
    least = float("inf")
    spans = [(vma.start, vma.end) for vma in read_maps(pid) if vma.writable and not vma.is_file and vma.readable]
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for _ in range(3):
            begin = time.process_time()
            for start, end in spans:
                while start < end:
                    start += os.preadv(memory.fileno(), [buffer[: min(len(buffer), end - start)]], start)
            least = min(least, time.process_time() - begin)
    return least


def seconds_of_lsan(count: int) -> float:
    """Return the processor seconds that LeakSanitizer's own check of the same program takes, in it."""
    with scaled("mixed", count, "-fsanitize=leak", "-DWITH_LSAN") as process:
        before = _seconds_of(process.pid)
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        return _seconds_of(process.pid) - before


def _seconds_of(pid: int) -> float:
    """Return the processor seconds of a process and of its children that have ended (one of them is LeakSanitizer's
    tracer)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
