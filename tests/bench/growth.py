"""What must not grow faster than what there is: each case at two sizes, and what a unit costs at each.

python3 tests/bench/growth.py [CASE...] [--dense]

--dense adds ten million blocks of 32 bytes, for the memory that they take.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence

from measure import cost, scaled

# By name: the kind of scaled.cc, the smaller size (the larger is four times that), and what is asked.
CASES = {
    "threads": ("threads", 1_000, ("heap leaks", "heap rss", "vmmap")),
    "mmapped": ("mmapped", 5_000, ("heap check", "heap leaks")),
    "mappings": ("mappings", 5_000, ("heap leaks", "heap rss", "vmmap")),
    "objects": ("objects", 250_000, ("heap leaks",)),
    "rows": ("mixed", 250_000, ("heap chunks --count 0 --no-fold", "heap chunks --json")),
    "fastbin": ("fastbin", 250_000, ("heap check",)),
    "large": ("large", 75_000, ("heap check",)),
    "reserved": ("reserved", 256, ('heap search "java/lang/X"',)),
}
DENSE = {"dense": ("small", 2_500_000, ("heap chunks --summary", "heap leaks"))}
# A unit that costs so much more at four times the size grows with them.
RISES = 1.4


def main() -> None:
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    show(words, {**CASES, **(DENSE if "--dense" in sys.argv else {})})


def show(names: Sequence[str], cases: Mapping[str, tuple[str, int, tuple[str, ...]]]) -> None:
    """Print a line for each size of the cases of these names, of all where there are none."""
    print(f"{'case':10} {'asked':34} {'units':>10} {'seconds':>8} {'µs/unit':>9} {'MiB':>6}")
    for name in names or cases:
        kind, fewer, commands = cases[name]
        for command in commands:
            before = 0.0
            for count in (fewer, 4 * fewer):
                each, peak = measured(kind, count, command)
                mark = "  <- rises" if before and each > RISES * before else ""
                print(
                    f"{name:10} {command:34} {count:>10,} {each * count:>8.2f} {each * 1e6:>9.2f} {peak:>6}{mark}",
                    flush=True,
                )
                before = each


def measured(kind: str, count: int, command: str) -> tuple[float, int]:
    """Return processor seconds for each unit, and MiB in all, beyond a gdb that runs the plainest command."""
    with scaled(kind, count) as process, tempfile.TemporaryDirectory() as cache:
        target = ["-p", str(process.pid)]
        cost(cache, target, ["heap params"], 1)  # fills the caches
        took = cost(cache, target, [command]).beyond(cost(cache, target, ["heap params"]))
    return took.seconds / count, took.peak


if __name__ == "__main__":
    main()
