"""Every abort text of this glibc, provoked: the text, the check and the chunk are told, live and from the core."""

from __future__ import annotations

import functools
import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from corruption import CASES, NO_TCACHE, Case
from gdb_runs import ROOT, run_gdb
from programs import build

GLIBC = tuple(int(part) for part in platform.libc_ver()[1].split(".")[:2])
HERE = [case for case in CASES if case.dies(GLIBC)]
WORDS = [pytest.param((), id="64"), pytest.param(("-m32",), id="32")]
# The header behind the block that was passed is the broken one.
BEHIND = ("next_size_fast", "next_size_normal", "realloc_next_size")
# The ending thread has given its tcache up, or malloc_consolidate has emptied the list: the block whose link was broken is in another list
# now, where its link is whole.
GONE = ("tcache_unaligned_at_exit", "consolidate_unaligned")


@dataclass(frozen=True)
class Death:
    """What `heap check` said of the dead process: live, and from its core."""

    guilty: int
    live: dict[str, Any]
    core: dict[str, Any]


@functools.cache
def deaths(flags: tuple[str, ...], directory: Path) -> dict[str, Death]:
    """Let every case die in one run of gdb, and look at all the cores in another."""
    program = build("corrupt", *flags)
    first = ["set confirm off", "set pagination off", f"source {ROOT / 'gdb_init.py'}"]
    lines, later = [*first], [*first]
    for case in HERE:
        where = directory / case.name
        lines += [f"unset environment {name}" for name in NO_TCACHE]
        lines += [f"set environment {name} {value}" for name, value in case.environment.items()]
        lines += [
            f"run {case.name} > /dev/null 2>&1",
            f"python open('{where}', 'w').write(str(int(gdb.parse_and_eval('(unsigned long)guilty'))))",
            f"heap check --json --output {where}.live",
            f"generate-core-file {where}.core",
        ]
        later += [f"core-file {where}.core", f"heap check --json --output {where}.dead"]
    for said in (lines, later):
        words = ["gdb", "-nx", "-q", "-batch"]
        for line in said:
            words += ["-ex", line]
        run_gdb([*words, str(program)], patience=300)
    for core in directory.glob("*.core"):
        core.unlink()
    return {case.name: _death(directory / case.name) for case in HERE}


def _death(where: Path) -> Death:
    live, dead = (json.loads(where.with_suffix(suffix).read_text()) for suffix in (".live", ".dead"))
    return Death(int(where.read_text()), live, dead)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return {flags: tmp_path_factory.mktemp("deaths") for flags in ((), ("-m32",))}


def is_told(case: Case, text: str) -> bool:
    """Whether the message is the case's text: whole, or for an assertion, in it."""
    return case.text == text or (case.name.startswith("assert") and case.text in text)


@pytest.mark.parametrize("flags", WORDS)
@pytest.mark.parametrize("case", HERE, ids=lambda case: case.name)
def test_an_abort_is_told_with_its_text_and_its_chunk(case, flags, directory):
    if (case.name, flags, GLIBC < (2, 42)) == ("double_free_top", ("-m32",), True):
        # Top's size is no multiple of 16 on i386, and to glibc 2.41 that is looked at first.
        case = Case(case.name, "free(): invalid size", case.said)
    death = deaths(flags, directory[flags])[case.name]
    for said in (death.live, death.core):
        told = said["totals"]
        assert is_told(case, told.get("abort", "")), told
        if case.name in GONE:
            continue
        chunk = int(told["abort_chunk"], 16)
        if case.name in BEHIND:
            assert death.guilty in [int(fault["address"], 16) for fault in said["faults"]]
            assert chunk < death.guilty
        else:
            assert chunk == death.guilty
        if case.name in ("free_invalid_pointer", "realloc_pointer", *BEHIND) or case.text.startswith("double free"):
            assert int(told["abort_pointer"], 16) == chunk + (8 if flags else 16)
