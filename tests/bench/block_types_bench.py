"""Types of a core's blocks, and who retains them, against the time that the pointer graph of the same core takes, and
the memory that types need beyond it: of a program that the types' tests have, and of one that nobody tuned anything
for, at two sizes. What a block costs more than RISES times what it did at the smaller one is marked.

python3 tests/bench/block_types_bench.py [BLOCKS...]
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import untuned  # noqa: E402
from growth import RISES  # noqa: E402

from gdbheap.elf.debug_search import DebugSearch  # noqa: E402
from gdbheap.session.block_types import block_types  # noqa: E402
from gdbheap.session.catalogues import joined_catalogue, typed_roots  # noqa: E402
from gdbheap.session.pointer_graph import pointer_graph  # noqa: E402
from gdbheap.session.retained import retained  # noqa: E402
from support.core_debugger import core_target  # noqa: E402
from support.gdb_runs import run_gdb  # noqa: E402
from support.programs import build  # noqa: E402

SIZES = (250_000, 1_000_000)

Given = TypeVar("Given")


class Program(NamedTuple):
    """How a program that makes about so many blocks is built, and what it is given."""

    make: Callable[[int, Path], Path]
    arguments: Callable[[int], str]


PROGRAMS = {
    # (Each of its rounds makes 30 blocks.)
    "types_c": Program(lambda blocks, _: build("types_c", "-O2", "-DQUIET", f"-DCOUNT={blocks // 30}"), lambda _: ""),
    "untuned": Program(lambda _, directory: untuned.build(directory), str),
}


def main() -> None:
    sizes = [int(each.replace(",", "")) for each in sys.argv[1:]] or SIZES
    print("| program | blocks | graph s | types s | x graph | retained s | ns a block | MiB more | named |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in PROGRAMS:
        before = 0.0
        for blocks in sizes:
            # (The most memory that was ever used is known of a whole process alone.)
            words = [sys.executable, __file__, "--one", name, str(blocks)]
            row, each = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.split("\n")[:2]
            print(row.replace("*", " (rises)" if before and float(each) > RISES * before else ""), flush=True)
            before = float(each)


def one(name: str, blocks: int) -> None:
    """Print a row of the table for one program, and below it what a block costs in seconds."""
    with tempfile.TemporaryDirectory() as directory:
        program = PROGRAMS[name]
        core = Path(directory) / "core"
        words = [
            f"set args {program.arguments(blocks)} < /dev/null > /dev/null",
            "break inspected",
            "run",
            f"generate-core-file {core}",
        ]
        path = str(program.make(blocks, Path(directory)))
        run_gdb(["gdb", "-nx", "-q", "-batch", *(word for each in words for word in ("-ex", each)), path])
        target = core_target(str(core), directory, DebugSearch())
        held, graph = timed(lambda: pointer_graph(target))
        joined_catalogue(target), typed_roots(target)
        before = peak()
        types, seconds = timed(lambda: block_types(target))
        more = peak() - before
        _, keeping = timed(lambda: retained(target))
        count = len(held.blocks)
        named = 100 * int((types.type >= 0).sum()) / count
    print(
        f"| {name} | {count:,} | {graph:.2f} | {seconds:.2f} | {seconds / graph:.1f} | {keeping:.2f} | "
        f"{seconds / count * 1e9:,.0f}* | {more} | {named:.1f} % |\n{seconds / count}"
    )


def timed(work: Callable[[], Given]) -> tuple[Given, float]:
    """Return what the work gives, and the processor seconds that it takes."""
    start = time.process_time()
    given = work()
    return given, time.process_time() - start


def peak() -> int:
    """Return the most memory that this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], int(sys.argv[3]))
    else:
        main()
