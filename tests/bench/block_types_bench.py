"""Types of a million blocks of a core, against the time that the pointer graph of the same core takes, and the memory
that they need beyond it.

python3 tests/bench/block_types_bench.py [COUNT]  (27 blocks for each)
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from gdbheap.elf.debug_search import DebugSearch  # noqa: E402
from gdbheap.session.block_types import block_types  # noqa: E402
from gdbheap.session.catalogues import joined_catalogue, typed_roots  # noqa: E402
from gdbheap.session.pointer_graph import pointer_graph  # noqa: E402
from support.core_debugger import core_target  # noqa: E402
from support.programs import build  # noqa: E402
from support.type_ledger import typed_core  # noqa: E402


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 36_000
    program = build("types_c", "-O2", "-DQUIET", f"-DCOUNT={count}")
    with tempfile.TemporaryDirectory() as directory:
        core, _ = typed_core(program, Path(directory))
        target = core_target(str(core), directory, DebugSearch())
        start = time.process_time()
        held = pointer_graph(target)
        graph = time.process_time() - start
        joined_catalogue(target), typed_roots(target)
        before, start = peak(), time.process_time()
        types = block_types(target)
        seconds = time.process_time() - start
        named = 100 * int((types.type >= 0).sum()) / len(types)
    print(
        f"{len(held.blocks):,} blocks: graph {graph:.2f} s, types {seconds:.2f} s ({seconds / graph:.1f} times), ",
        end="",
    )
    print(f"{peak() - before} MiB more, {named:.1f} % named")


def peak() -> int:
    """Return the most memory that this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


if __name__ == "__main__":
    main()
