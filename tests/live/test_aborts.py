"""Every abort text of this glibc, provoked: the text, the check and the chunk are told, live and from the core."""

from __future__ import annotations

import functools
import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.assertion_cases import ASSERTIONS, ONLY_64, VARIABLES
from support.corruption import CASES, NO_TCACHE, Case
from support.gdb_runs import ROOT, kept_symbols, run_gdb
from support.programs import build

GLIBC = tuple(int(part) for part in platform.libc_ver()[1].split(".")[:2])
HERE = [case for case in (*CASES, *ASSERTIONS) if case.dies(GLIBC)]
WORDS = [pytest.param((), id="64"), pytest.param(("-m32",), id="32")]
# The header behind the block that was passed is the broken one.
BEHIND = ("next_size_fast", "next_size_normal", "realloc_next_size")
# The check is of an arena or of a heap, not of one chunk; or what heap_trim() was led to lies inside a block.
NO_CHUNK = (
    *("misaligned_break", "trim_page", "trim_heap", "heap_owner"),
    *("attached_at_exit", "attached_in_free_list", "attached_replaced"),
)


@dataclass(frozen=True)
class Death:
    """What `heap check` and `fault` said of the dead process: live, and from its core."""

    guilty: int
    live: dict[str, Any]
    core: dict[str, Any]
    faults: list[dict[str, Any]]


@functools.cache
def deaths(program: str, flags: tuple[str, ...], directory: Path) -> dict[str, Death]:
    """Let every case of the program die in one run of gdb, and look at it alive and at its core."""
    lines = ["set confirm off", "set pagination off", f"source {ROOT / 'gdb_init.py'}"]
    lines += kept_symbols(build(program, *flags))
    cases = [case for case in HERE if case.program == program and not (flags and case.name in ONLY_64)]
    for case in cases:
        where = directory / case.name
        lines += [f"unset environment {name}" for name in (*NO_TCACHE, *VARIABLES)]
        lines += [f"set environment {name} {value}" for name, value in case.environment.items()]
        lines += [
            f"run {case.name} > /dev/null 2>&1",
            f"python open('{where}', 'w').write(str(int(gdb.parse_and_eval('(unsigned long)guilty'))))",
            f"heap check --json --output {where}.live",
            f"fault --json --output {where}.fault",
            f"generate-core-file {where}.core",
            f"core-file {where}.core",
            f"heap check --json --output {where}.dead",
            f"fault --json --output {where}.last",
        ]
    words = ["gdb", "-nx", "-q", "-batch"]
    for line in lines:
        words += ["-ex", line]
    run_gdb([*words, str(build(program, *flags))], patience=900)
    for core in directory.glob("*.core"):
        core.unlink()
    return {case.name: _death(directory / case.name) for case in cases}


def _death(where: Path) -> Death:
    live, dead, fault, last = (
        json.loads(where.with_suffix(suffix).read_text()) for suffix in (".live", ".dead", ".fault", ".last")
    )
    return Death(int(where.read_text()), live, dead, [fault["rows"][0], last["rows"][0]])


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return {
        (program, flags): tmp_path_factory.mktemp("deaths")
        for program in ("corrupt", "assertions")
        for flags in ((), ("-m32",))
    }


def is_told(case: Case, text: str) -> bool:
    """Whether the message is the case's text: whole, or for an assertion, in it."""
    return case.text == text or ((case.program == "assertions" or case.name.startswith("assert")) and case.text in text)


@pytest.mark.parametrize("flags", WORDS)
@pytest.mark.parametrize("case", HERE, ids=lambda case: case.name)
def test_an_abort_is_told_with_its_text_and_its_chunk(case, flags, directory):
    if flags and case.name in ONLY_64:
        return
    if (case.name, flags, GLIBC < (2, 42)) == ("double_free_top", ("-m32",), True):
        # Top's size is no multiple of 16 on i386, and to glibc 2.41 that is looked at first.
        case = Case(case.name, "free(): invalid size", case.said)
    death = deaths(case.program, flags, directory[case.program, flags])[case.name]
    for said, fault in zip((death.live, death.core), death.faults):
        told = said["totals"]
        assert is_told(case, told.get("abort", "")), told
        assert (fault["verdict"], fault["address"]) == ("malloc_abort", told.get("abort_chunk"))
        assert told["abort"] in fault["summary"]
        if (case.name, flags, GLIBC < (2, 34)) == ("checked_usable_size", (), True) and "abort_chunk" not in told:
            continue  # seen on 2.31: by then nothing may hold what malloc_usable_size was asked for
        if case.name in NO_CHUNK:
            assert "abort_chunk" not in told
            continue
        chunk = int(told["abort_chunk"], 16)
        if case.name in BEHIND:
            assert death.guilty in [int(fault["address"], 16) for fault in said["faults"]]
            assert chunk < death.guilty
        elif case.name.startswith("trim_") and case.name != "trim_wraps":
            assert death.guilty - 16 <= chunk <= death.guilty  # one of the two fenceposts
        elif case.name == "memalign_too_small":
            assert death.guilty <= chunk < death.guilty + 0x40  # what is left of it, cut to the alignment
        elif case.name.startswith("mcheck"):
            assert chunk < int(told["abort_pointer"], 16) == death.guilty
        else:
            assert chunk == death.guilty
        if case.name in ("free_invalid_pointer", "realloc_pointer", "checked_free", "checked_realloc", *BEHIND) or (
            case.text.startswith("double free")
        ):
            assert int(told["abort_pointer"], 16) == chunk + (8 if flags else 16)
