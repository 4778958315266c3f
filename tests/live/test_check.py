"""`heap check` on processes whose heap is broken in one place, and on those whose heap is whole."""

from __future__ import annotations

import functools
import itertools
import json
import platform
import re
from pathlib import Path
from typing import Any

import pytest

from support.corruption import CASES, NO_TCACHE, Case
from support.gdb_runs import ROOT, ask, kept_symbols, run_gdb
from support.programs import build, running

GLIBC = tuple(int(part) for part in platform.libc_ver()[1].split(".")[:2])
# What 2.31 says where later releases see the misaligned link.
PLAIN_LINKS = {
    "malloc(): unaligned tcache chunk detected": "tcache link leads to no chunk",
    "malloc(): unaligned fastbin chunk detected": "malloc(): memory corruption (fast)",
}
HERE = [case for case in CASES if case.dies(GLIBC)]
WORDS = [pytest.param((), id="64"), pytest.param(("-m32",), id="32")]


def said(case: Case) -> str:
    """What `heap check` must say under this glibc."""
    if GLIBC >= (2, 42) and case.said == "free(): invalid pointer":
        return "free(): invalid size"  # a size of 0 is told by the size check now
    return PLAIN_LINKS.get(case.said, case.said) if GLIBC < (2, 32) else case.said


@functools.cache
def answers(flags: tuple[str, ...], directory: Path) -> dict[str, tuple[int, dict[str, Any]]]:
    """Return, for each case, the guilty chunk and what `heap check` said when it was broken; all in one run of gdb."""
    program = build("corrupt", *flags)
    lines = ["set confirm off", f"source {ROOT / 'gdb_init.py'}", *kept_symbols(program), "break broken"]
    for case in HERE:
        lines += [f"unset environment {name}" for name in NO_TCACHE]
        lines += [f"set environment {name} {value}" for name, value in case.environment.items()]
        lines += [
            f"run {case.name} > /dev/null 2>&1",
            f"python open({str(directory / case.name)!r}, 'w').write(str(int(gdb.parse_and_eval('(unsigned "
            "long)chunk'))))",
            f"heap check --json --output {directory / case.name}.json",
        ]
    words = ["gdb", "-nx", "-q", "-batch"]
    for line in lines:
        words += ["-ex", line]
    run_gdb([*words, str(program)], patience=300)
    return {
        case.name: (int((directory / case.name).read_text()), json.loads((directory / f"{case.name}.json").read_text()))
        for case in HERE
    }


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return {flags: tmp_path_factory.mktemp("cases") for flags in ((), ("-m32",))}


@pytest.mark.parametrize("flags", WORDS)
@pytest.mark.parametrize("case", HERE, ids=lambda case: case.name)
def test_the_guilty_chunk_and_nothing_else_is_told_before_malloc_notices(case, flags, directory):
    guilty, answer = answers(flags, directory[flags])[case.name]
    found = [(int(fault["address"], 16), fault["message"]) for fault in answer["faults"]]
    assert found == ([(guilty, said(case))] if said(case) else [])
    assert answer["totals"]["transient"] == 0


WHOLE = ("mixed", "many_sizes", "threads", "many_heaps", "fenceposts", "mmapped", "big", "forked", "holes")


@pytest.mark.parametrize(
    ("name", "flags"),
    [*itertools.product(WHOLE, ((), ("-m32",))), *((name, ("-static",)) for name in ("mixed", "threads", "forked"))],
)
def test_a_whole_heap_has_no_fault(name, flags):
    with running(build(name, *flags)) as program:
        answer = ask(["-p", str(program.pid)], ["heap check"])["heap check"]
    assert answer["faults"] == []
    assert answer["rows"] == []
    assert answer["totals"]["chunks"] > 0


@pytest.mark.parametrize("flags", WORDS)
@pytest.mark.parametrize(
    ("name", "writer", "overrun"),
    [("while_consolidating", "overrun", 1), ("unsorted_prev_inuse", "dangling", 0), ("double_linked", "dangling", 0)],
)
def test_the_probable_writer_is_told_with_the_commands_that_catch_it(name, writer, overrun, flags, directory):
    guilty, answer = answers(flags, directory[flags])[name]
    (row,) = answer["rows"]
    below = {"while_consolidating": 0x500, "unsorted_prev_inuse": 0x500, "double_linked": 0}[name]
    assert (row["writer"], row["overrun"], int(row["writer_chunk"], 16)) == (writer, overrun, guilty - below)
    where, held = row["where"], row["held"]
    assert row["watch"] == f"watch -l *(unsigned long *){where} if *(unsigned long *){where} == {held}"


@pytest.mark.parametrize("flags", WORDS)
def test_a_tcache_pointer_that_leads_nowhere_is_told_where_gdb_sees_it(flags):
    wild = 0x10002000
    spoil = ["break look_here", "run", f"set var *(unsigned long *)&tcache = {wild:#x}", "print/x (long)&tcache"]
    answer = ask([str(build("demo", *flags))], ["heap check"], get_there=spoil)
    place = int(re.search(r"^\$1 = (0x[0-9a-f]+)$", answer.text, re.M)[1], 16)
    (row,) = answer["heap check"]["rows"]
    assert (row["message"], int(row["where"], 16), int(row["held"], 16)) == (
        "tcache pointer leads nowhere",
        place,
        wild,
    )
