"""Dominators and what they retain, in ratios: `heap retained` on a program of a million blocks against the walk and the
pointer graph that it begins with (`heap leaks`) and the types; and the dominator tree alone, on the shapes that cost
most, against one pass of plain Python over as many nodes.

python3 tests/bench/retained.py [BLOCKS]
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import numpy as np  # noqa: E402

from gdbheap.analysis.retained.dominators import RootedGraph, dominator_tree  # noqa: E402
from support.gdb_runs import run_gdb  # noqa: E402
from support.programs import build  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))
from leaks import stopped  # noqa: E402

# In order: each builds on what the ones before have left.
COMMANDS = ("heap leaks --count 1", "heap types --count 1", "heap retained --count 1")
TIMED = """
import time
def timed(line):
    begin = time.process_time()
    gdb.execute(line, to_string=True)
    print(f"@ {time.process_time() - begin}")
"""


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    in_gdb(count)
    plain = plain_pass(count)
    print(f"one pass of plain Python over {count:,} numbers: {plain:.2f} s of the processor; the dominator tree of")
    for name, source, target in shapes(count):
        begin = time.process_time()
        tree = dominator_tree(RootedGraph(count, source.astype(np.int32), target.astype(np.int32), 0))
        tree.below(np.ones(count, np.int64))
        seconds = time.process_time() - begin
        print(f"  {name:33} {seconds:6.2f} s, {seconds / plain:5.1f} times", flush=True)


def in_gdb(count: int) -> None:
    """Print what the commands take, one after another, in one gdb."""
    with (
        stopped(build("leaks_made", f"-DCOUNT={count}", "-DTHREADS=8", "-O2")) as pid,
        tempfile.NamedTemporaryFile("w", suffix=".py") as timed,
    ):
        timed.write(TIMED)
        timed.flush()
        words = ["gdb", "-nx", "-q", "-batch", "-iex", "set debuginfod enabled off", "-p", str(pid)]
        lines = [f"source {ROOT / 'gdb_init.py'}", f"source {timed.name}"]
        lines += [f"python timed({command!r})" for command in COMMANDS]
        said = run_gdb([*words, *(word for line in lines for word in ("-ex", line))], patience=600)
    graph, types, held = (float(each) for each in re.findall(r"^@ ([\d.e-]+)$", said, re.MULTILINE))
    print(
        f"{count:,} blocks: the walk, the pointer graph and leaks {graph:.2f} s of the processor; types {types:.2f} s "
        f"({types / graph:.1f} times); heap retained beyond these {held:.2f} s ({held / graph:.1f} times)",
        flush=True,
    )


def plain_pass(count: int) -> float:
    begin, numbers = time.process_time(), list(range(count))
    for node in range(1, count):
        numbers[node] += numbers[node - 1]
    return time.process_time() - begin


def shapes(count: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield names, sources and targets. Nodes are scattered, as after a long life of a heap."""
    node = np.arange(1, count)
    name = np.append(0, np.random.default_rng(1).permutation(count - 1) + 1)
    third = len(name) // 3
    first, second, rest = name[1:third], name[third : 2 * third - 1], name[2 * third : 3 * third - 1]
    yield "a list", name[:-1], name[1:]
    yield "a doubly linked ring", np.append(name, np.roll(name, -1)), np.append(np.roll(name, -1), name)
    ring = np.append(name, np.roll(name, -1)), np.append(np.roll(name, -1), name)
    yield "a ring with pointers to its head", np.append(ring[0], name), np.append(ring[1], np.full(count, name[0]))
    table = np.zeros(count, int), name
    yield "a table with a ring through it", np.append(ring[0], table[0]), np.append(ring[1], table[1])
    yield "a tree", name[(node - 1) // 2], name[node]
    yield "a tree with parent pointers", name[np.append((node - 1) // 2, node)], name[np.append(node, (node - 1) // 2)]
    yield (
        "a map with a list through it",
        np.concatenate(([0], first[:-1], first, second, np.zeros(len(second), int))),
        np.concatenate((first, second, rest, second)),
    )
    yield "a table", np.zeros(count - 1, int), node


if __name__ == "__main__":
    main()
