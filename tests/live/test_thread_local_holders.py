"""heap leaks on blocks that thread-local variables hold: they are no stale values of a stack, though glibc keeps each
thread's variables at the end of its stack."""

from __future__ import annotations

import pytest

from support.gdb_runs import ask
from support.programs import build

ALL = "heap leaks --kind all --blocks"
BUILDS = {"dynamic": (), "static": ("-static",), "32-bit": ("-m32",)}
# As the program says, of its own: how many of each size.
HELD = {456: 2, 56: 4, 72: 1, 88: 1}


@pytest.mark.parametrize("flags", BUILDS.values(), ids=BUILDS)
def test_only_what_a_local_variable_holds_is_held_by_stacks_alone(flags, tmp_path):
    program, core = str(build("leaks_thread_local", *flags)), tmp_path / "core"
    live = ask([program], (ALL,), get_there=("break ready", "run", f"generate-core-file {core}"))
    dead = ask([program, str(core)], (ALL,))
    word = 4 if "-m32" in flags else 8
    for said in (live[ALL], dead[ALL]):
        sizes = [row["chunk_size"] for row in said["rows"] if row["kind"] == "still_reachable"]
        assert {size: sizes.count(chunk(size, word)) for size in HELD} == HELD
        totals = said["totals"]
        assert totals["definitely_lost_blocks"] == totals["possibly_lost_blocks"] == 0
        assert (totals["from_stacks_alone_blocks"], totals["from_stacks_alone_bytes"]) == (1, chunk(72, word))


def chunk(size: int, word: int) -> int:
    """request2size() of malloc.c."""
    return (size + word + 15) // 16 * 16
