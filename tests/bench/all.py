"""Each command against the physical limit, in one run: processor seconds beyond a bare gdb on the same process, as a
ratio to reading its memory once, to LeakSanitizer's check of the same program and, where it is built, to chap. Then
what must not grow faster than what there is (growth.py). GDBHEAP_KERNEL=off measures numpy alone.

python3 tests/bench/all.py [--large] [--count N]

The program is scaled.cc's "mixed", which nobody tuned: eight arenas, blocks of mixed sizes in lists and tangles, with
words beside the pointers that are none. At 10,000, a million and five million blocks (--large: ten million too). What
a block costs more than RISES times what it did at the size before is marked.
"""

from __future__ import annotations

import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import growth
from growth import RISES
from measure import Cost, cost, scaled, seconds_of_lsan, seconds_to_read

from gdbheap.kernel import library

COUNTS = (10_000, 1_000_000, 5_000_000)
LARGE = (10_000_000,)
ADDRESS = "somebody"
COMMANDS = (
    "heap chunks --summary",
    "heap check",
    "heap leaks",
    "heap rss",
    f"heap chunk {ADDRESS}",
    f"heap owners {ADDRESS}",
    'heap search "no such text"',
    "heap retained",
    "heap types",
    "heap snapshot bench --replace",
)


def main() -> None:
    chosen = [int(sys.argv[at + 1].replace(",", "")) for at, word in enumerate(sys.argv) if word == "--count"]
    os.environ["XDG_DATA_HOME"] = os.environ.get("XDG_DATA_HOME", str(Path.home() / ".local" / "share"))
    print(f"{time.strftime('%Y-%m-%d')}, {processor()}, gdb's Python and numpy of this system, {loops()}")
    print("Processor seconds\n")
    with tempfile.TemporaryDirectory() as directory:
        start(directory)
        before: dict[str, float] = {}
        for count in chosen or (*COUNTS, *(LARGE if "--large" in sys.argv else ())):
            before = at_size(directory, count, before)
    if not chosen:
        print()
        growth.show((), {**growth.CASES, **(growth.DENSE if "--large" in sys.argv else {})})


def processor() -> str:
    """Return the processor's name, and how many there are."""
    lines = Path("/proc/cpuinfo").read_text().split("\n")
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} x {name}"


def loops() -> str:
    """Return whether the compiled kernel is used."""
    return "without the compiled kernel" if library.is_turned_off() or library.load() is None else "compiled kernel"


def start(directory: str) -> None:
    """Print what loading costs, and the first answer on a small process."""
    cost(directory, [], [], 1)  # compiles
    bare, loaded = (cost(directory, [], [], 10, source).seconds for source in (False, True))
    print(f"gdb alone {bare:.3f} s; loading adds {loaded - bare:.3f} s ({loaded / bare:.2f} times)")
    with scaled("mixed", 400) as process:
        target = ["-p", str(process.pid)]
        cost(directory, target, ["heap chunks"], 1)
        bare = cost(directory, target, [], 5, False).seconds
        for command in ("vmmap", "heap chunks", "heap leaks"):
            took = cost(directory, target, [command], 5).seconds - bare
            print(f"first answer of a small process, {command}: {took:.3f} s")


def at_size(directory: str, count: int, before: dict[str, float]) -> dict[str, float]:
    """Print a table for a heap of so many blocks; return what a block costs by command."""
    times = 2 if count <= 1_000_000 else 1
    took: dict[str, Cost] = {}
    with scaled("mixed", count) as process:
        target = ["-p", str(process.pid)]
        reading = seconds_to_read(process.pid)
        bare = cost(directory, target, [], times, False)
        for command in COMMANDS:
            took[command] = cost(directory, target, [command], times).beyond(bare)
        chap = seconds_of_chap(process.pid, directory)
    lsan = seconds_of_lsan(count)
    chaps = "no chap here" if chap is None else f"chap {chap:.2f} s"
    print(f"\n{count:,} blocks: read once {reading:.3f} s, LeakSanitizer's check {lsan:.2f} s, {chaps}\n")
    print("| command | seconds | x reading | x LeakSanitizer | x chap | ns a block | MiB |")
    print("|---|---|---|---|---|---|---|")
    for command, each in took.items():
        name = command.replace(ADDRESS, "ADDRESS")
        a_block = each.seconds / count
        mark = " (rises)" if command in before and a_block > RISES * before[command] else ""
        ratios = [f"{each.seconds / than:.1f}" if than else "" for than in (reading, lsan, chap)]
        print(
            f"| {name} | {each.seconds:.2f} | {' | '.join(ratios)} | {a_block * 1e9:,.0f}{mark} | {each.peak} |",
            flush=True,
        )
    return {command: each.seconds / count for command, each in took.items()}


def seconds_of_chap(pid: int, directory: str) -> float | None:
    """Return the processor seconds of chap's count of leaked blocks in a core of the process; None where there is no
    chap."""
    if shutil.which("chap") is None:
        return None
    subprocess.run(["gcore", "-o", f"{directory}/core", str(pid)], check=True, stdout=subprocess.DEVNULL)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["chap", f"{directory}/core.{pid}"], input=b"count leaked\n", check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
