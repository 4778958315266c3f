"""Programs that nobody here wrote: the heap walks without a fault, adds up to what malloc_stats() says, and is the
same in a core."""

from __future__ import annotations

import re

import pytest

from support.gdb_runs import ask
from support.real_programs import PROGRAMS, waiting

COMMANDS = ["heap chunks", "heap bins", "heap arenas", "heap check"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_heap_of_a_program_is_whole_and_the_same_in_its_core(name, tmp_path):
    core = tmp_path / "core"
    # The last word is the test's, not gdbheap's: the program itself is made to say what its allocator counts.
    then = [f"generate-core-file {core}", "set scheduler-locking on", "call (void) malloc_stats()"]
    with waiting(name, tmp_path) as program:
        live = ask(["-p", str(program.pid)], COMMANDS, then=then)
        stats = program.complaint(b"max mmap bytes")
    if "heap arenas" not in live.json:
        assert "malloc has not been used" in live.text
        assert in_use_and_system(stats) == {"main": (0, 0)}
        return
    dead = ask([program.program, str(core)], COMMANDS)
    for command in COMMANDS:
        assert live[command]["faults"] == []
        assert dead[command]["rows"] == live[command]["rows"]
    assert counted(live) == in_use_and_system(stats)
    for arena in live["heap arenas"]["rows"]:
        rows = [row for row in live["heap chunks"]["rows"] if row["arena"] == arena["arena"]]
        # What is not chunks: the heap_info and malloc_state at the start of a heap, and nothing in the main arena.
        rest = arena["system_bytes"] - sum(row["size"] for row in rows)
        assert rest == 0 if arena["arena"] == "main" else 0 < rest < 0x1000 * arena["heaps"]


def counted(answers):
    """Return, by arena, the bytes in use and from the system as malloc_stats counts them: what is in a tcache is in
    use to it."""
    found = {}
    for arena in answers["heap arenas"]["rows"]:
        rows = [row for row in answers["heap chunks"]["rows"] if row["arena"] == arena["arena"]]
        free = sum(row["size"] for row in rows if row["state"] in ("fastbin", "unsorted", "small", "large", "top"))
        found[arena["arena"]] = (arena["system_bytes"] - free, arena["system_bytes"])
    return found


def in_use_and_system(stats):
    """Return the same from the text that malloc_stats prints."""
    found = {}
    for number, system, in_use in re.findall(
        r"^Arena (\d+):\nsystem bytes +=\s+(\d+)\nin use bytes +=\s+(\d+)$", stats, re.MULTILINE
    ):
        found["main" if number == "0" else number] = (int(in_use), int(system))
    return found
