"""Free lists that hold what they must not, long before malloc notices: `heap check` tells a double free, a free of
what is no block, or the field that was overwritten, and how to catch that and nothing else."""

from __future__ import annotations

import functools
import json
import platform
from pathlib import Path
from typing import Any

import pytest

from support.gdb_runs import ROOT, kept_symbols, run_gdb
from support.programs import build

GLIBC = tuple(int(part) for part in platform.libc_ver()[1].split(".")[:2])
# How each block came to be freed wrongly.
FREED = {
    "fastbin_double_free": "double_free",
    "tcache_double_free": "double_free",
    "double_free_after_merge": "double_free",
    "free_of_stack_taken": "invalid_free",
}
if GLIBC >= (2, 43):
    del FREED["fastbin_double_free"]  # it has none
# The field that was overwritten.
FIELDS = {"bk_of_small_chunk": "bk", "size_of_mmapped": "size"}
BUILDS = {"64": (), "32": ("-m32",)}
ARGUMENT = {"64": "$rdi", "32": "*(unsigned int *)($esp + 4)"}


@functools.cache
def answers(kind: str, directory: Path) -> dict[str, tuple[int, dict[str, Any]]]:
    """Return what each case says of its `pointer`, and what `heap check` says; all in one run of gdb."""
    program = build("listed_wrongly", *BUILDS[kind])
    lines = ["set confirm off", f"source {ROOT / 'gdb_init.py'}", *kept_symbols(program), "break broken"]
    for case in (*FREED, *FIELDS):
        lines += [
            f"run {case} > /dev/null 2>&1",
            f"python open({str(directory / case)!r}, 'w').write(str(int(gdb.parse_and_eval('pointer'))))",
            f"heap check --json --output {directory / case}.json",
        ]
    words = ["gdb", "-nx", "-q", "-batch"]
    for line in lines:
        words += ["-ex", line]
    run_gdb([*words, str(program)], patience=200)
    return {
        case: (int((directory / case).read_text()), json.loads((directory / f"{case}.json").read_text()))
        for case in (*FREED, *FIELDS)
    }


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return {kind: tmp_path_factory.mktemp("listed") for kind in BUILDS}


@pytest.mark.parametrize("kind", BUILDS)
@pytest.mark.parametrize("case", FREED)
def test_what_free_was_given_is_told_and_caught(case, kind, directory):
    pointer, answer = answers(kind, directory[kind])[case]
    (row,) = answer["rows"]
    assert row["writer"] == FREED[case]
    assert int(row["writer_chunk"], 16) == pointer - (16 if kind == "64" else 8)
    assert (row["breakpoint"], row["watch"]) == (f"break free if {ARGUMENT[kind]} == {pointer:#x}", "")


@pytest.mark.parametrize("kind", BUILDS)
@pytest.mark.parametrize("case", FIELDS)
def test_the_field_that_was_overwritten_is_told_and_none_beside_it(case, kind, directory):
    pointer, answer = answers(kind, directory[kind])[case]
    assert [(row["field"], int(row["where"], 16)) for row in answer["rows"]] == [(FIELDS[case], pointer)]
    assert f"== {pointer:#x}" not in answer["rows"][0]["breakpoint"]
    assert answer["rows"][0]["watch"].startswith(f"watch -l *(unsigned long *){pointer:#x} if ")
