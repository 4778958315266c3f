"""Heaps in which malloc has followed an overwritten field since: `heap check` tells that field, and blames nothing of
what malloc made of it; where the field is not to be seen any more, that is told. The techniques are how2heap's:
house_of_einherjar, poison_null_byte, unsafe_unlink, large_bin_attack, sysmalloc_int_free, house_of_tangerine,
tcache_poisoning, house_of_water."""

from __future__ import annotations

import functools
import json
import platform
from pathlib import Path
from typing import Any

import pytest

from support.gdb_runs import ROOT, kept_symbols, run_gdb
from support.programs import build

# Of each case the rows' fields, whether `pointer` or `second` is where they are, and the writers.
TOLD = {
    "merged_inside": [("size", "pointer", "overrun")],
    "merged_and_taken": [("size", "pointer", "overrun")],
    "merged_into_top": [("size", "pointer", "overrun")],
    "merged_and_split": [("size", "pointer", "overrun")],
    "large_link_copied": [("bk_nextsize", "second", "dangling")],
    "top_closed": [("", "pointer", "unknown")],
    "link_taken": [("next", "pointer", "dangling")],
    "link_taken_twice": [("next", "pointer", "dangling")],
    "link_to_a_block_in_use": [("next", "pointer", "dangling")],
    "lost_from_list": [("bk", "second", "dangling"), ("fd", "pointer", "dangling")],
}
GLIBC = tuple(int(part) for part in platform.libc_ver()[1].split(".")[:2])
# tcache_relative_write: what free wrote behind the tcache is no block's overrun (glibc 2.42 has no tcache_bins).
BEHIND_TCACHE = {"frees_behind_the_tcache": [("size", "pointer", "unknown"), ("tcache_bins", "second", "unknown")]}
TOLD_64 = {**TOLD, **(BEHIND_TCACHE if GLIBC < (2, 42) else {})}
BEFORE_HEADER = "free_before_header"
CASES = {"64": (*TOLD_64, BEFORE_HEADER), "32": tuple(TOLD)}
SAID = ("malloc itself has followed", "handed the block out since")
SAID_OF = ("merged_inside", "merged_into_top", "merged_and_split", "large_link_copied", "top_closed", "link_taken")
BUILDS = {"64": (), "32": ("-m32",)}
WORD = {"64": 8, "32": 4}


@functools.cache
def answers(kind: str, directory: Path) -> dict[str, tuple[dict[str, int], list[dict[str, Any]]]]:
    """Return `pointer` and `second` of each case, and the rows of `heap check`; all in one run of gdb."""
    program = build("followed_since", *BUILDS[kind])
    lines = ["set confirm off", f"source {ROOT / 'gdb_init.py'}", *kept_symbols(program), "break broken"]
    cases = CASES[kind]
    for case in cases:
        told = "{name: int(gdb.parse_and_eval(name)) for name in ('pointer', 'second')}"
        lines += [
            f"run {case} > /dev/null 2>&1",
            f"python import json; open({str(directory / case)!r}, 'w').write(json.dumps({told}))",
            f"heap check --json --output {directory / case}.json",
        ]
        if kind == "64":
            core = f"{directory / case}.core"
            lines += [f"generate-core-file {core}", f"core-file {core}", f"heap check --json --output {core}.json"]
    words = ["gdb", "-nx", "-q", "-batch"]
    for line in lines:
        words += ["-ex", line]
    run_gdb([*words, str(program)], patience=200)
    for core in directory.glob("*.core"):
        core.unlink()
    return {
        case: (json.loads((directory / case).read_text()), json.loads((directory / f"{case}.json").read_text())["rows"])
        for case in cases
    }


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return {kind: tmp_path_factory.mktemp("followed") for kind in BUILDS}


@pytest.mark.parametrize("case, kind", [*((case, "64") for case in TOLD_64), *((case, "32") for case in TOLD)])
def test_what_was_overwritten_is_told_and_nothing_that_malloc_made_of_it(case, kind, directory):
    places, rows = answers(kind, directory[kind])[case]
    found = sorted((row["field"], int(row["where"], 16), row["writer"]) for row in rows)
    assert found == sorted((field, places[name], writer) for field, name, writer in TOLD_64[case])
    assert case not in SAID_OF or any(words in rows[0]["detail"] for words in SAID)


@pytest.mark.parametrize("case", CASES["64"])
def test_a_core_tells_the_same(case, directory):
    _, rows = answers("64", directory["64"])[case]
    last = json.loads((directory["64"] / f"{case}.core.json").read_text())["rows"]
    facts = ("message", "field", "where", "held", "writer", "writer_chunk", "suspects", "watch", "breakpoint")
    assert [[row[fact] for fact in facts] for row in last] == [[row[fact] for fact in facts] for row in rows]


@pytest.mark.parametrize("kind", BUILDS)
def test_a_copied_link_is_caught_where_it_was_overwritten(kind, directory):
    places, (row,) = answers(kind, directory[kind])["large_link_copied"]
    assert int(row["writer_chunk"], 16) == places["pointer"] - 5 * WORD[kind]
    assert row["watch"].startswith(f"watch -l *(unsigned long *){places['pointer']:#x} if ")


def test_the_header_that_free_wrote_its_key_over_is_the_frees_doing(directory):
    places, rows = answers("64", directory["64"])[BEFORE_HEADER]
    mem = places["pointer"]
    assert mem + 8 in {int(row["where"], 16) for row in rows}
    for row in rows:
        assert (row["writer"], int(row["writer_chunk"], 16)) == ("invalid_free", mem - 16)
        assert row["breakpoint"] == f"break free if $rdi == {mem:#x}"
