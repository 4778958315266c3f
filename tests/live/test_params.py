"""`heap params` against what gdb itself prints of mp_ with libc's debug info, and bare `gdbheap` with and without
it."""

from __future__ import annotations

import json
import re

import pytest

from support.programs import build

STOPPED = ("break inspected", "run")


def rows(said, command):
    return json.loads(said[command])["rows"]


@pytest.mark.parametrize("flags", [(), ("-m32",)], ids=["x86-64", "i386"])
def test_every_member_of_mp_has_the_value_that_gdb_reads(gdb, flags):
    said = gdb(build("mmapped", *flags), *STOPPED, "heap params --json", "output/d mp_", "print/u global_max_fast")
    found = {row["name"]: int(str(row["value"]), 0) for row in rows(said, "heap params --json")}
    expected = {name: int(value) for name, value in re.findall(r"(\w+) = (\d+)", said["output/d mp_"])}
    fast = re.match(r"\$1 = (\d+)", said["print/u global_max_fast"])
    if fast:
        expected["global_max_fast"] = int(fast[1])
    assert expected["n_mmaps"] > 0
    assert found == expected


def test_what_nobody_changed_is_as_its_default_says(gdb):
    said = gdb(build("threads"), *STOPPED, "heap params --json")
    changed = {row["name"] for row in rows(said, "heap params --json") if row["default"] not in (None, row["value"])}
    assert changed == set()


def test_a_tunable_shows_beside_its_default(gdb):
    tunables = (
        "set environment GLIBC_TUNABLES=glibc.malloc.tcache_count=3:glibc.malloc.arena_max=2:glibc.malloc.top_pad=0"
    )
    said = gdb(build("mixed"), tunables, *STOPPED, "heap params --json")
    changed = {
        row["name"]: row["value"]
        for row in rows(said, "heap params --json")
        if row["default"] not in (None, row["value"]) and row["name"] not in ("mmap_threshold", "trim_threshold")
    }
    assert {"tcache_count": 3, "arena_max": 2, "top_pad": 0}.items() <= changed.items()
    assert set(changed) <= {"tcache_count", "arena_max", "top_pad", "no_dyn_threshold"}


def test_before_libc_is_there_the_answer_is_one_line(gdb):
    said = gdb(build("mixed"), "starti", "heap params", "gdbheap --json")
    assert said["heap params"].count("\n") == 1
    facts = {row["what"]: row["found"] for row in rows(said, "gdbheap --json")}
    assert facts["heap"] == f"not found: {said['heap params']}".rstrip("\n")


def test_bare_gdbheap_says_how_it_knew(gdb):
    program = build("threads")
    said = gdb(program, *STOPPED, "gdbheap --json", "print &main_arena", "print &mp_")
    found = {row["what"]: row["found"] for row in rows(said, "gdbheap --json")}
    for name in ("main_arena", "mp_"):
        address = re.search(r"0x[0-9a-f]+", said[f"print &{name}"])
        assert found[name] == f"{address[0]} (by symbol)"
    assert found["tcaches"] == "of threads 1, 3, 4, 5, 6 (by symbol)"
    assert "malloc_state" in found["by dwarf"]
