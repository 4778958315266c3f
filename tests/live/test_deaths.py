"""C++ programs as they die of malloc's checks, optimised, stripped, static, of 32 bits, through gdbserver and as a
core: the cause, the pointer and the caller are told; and a death that is none of malloc's is not called one."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.gdb_runs import ROOT, ask, kept_symbols, run_gdb
from support.programs import build

AGAIN = "realloc was given a block that is freed: "
INSIDE = "a pointer that is the start of no block: "
TWICE, WRONG, OVERRUN = "a double free: ", "a pointer that malloc did not return: ", "a write past a block's end: "
# What each did; "" where free is not given a wrong pointer, and what it writes is where the overrun block is.
CAUSES = {
    "twice_deleted": TWICE,
    "big_twice_deleted": TWICE,
    "array_deleted_in_the_middle": INSIDE,
    "array_deleted_as_one": WRONG,
    "literal_freed_by_destructor": WRONG,
    "global_freed": WRONG,
    "stack_freed": WRONG,
    "overrun_then_new": OVERRUN,
    "overrun_then_aligned_alloc": OVERRUN,
    "overrun_then_calloc": OVERRUN,
    "last_overrun_then_new": OVERRUN,
    "overrun_then_free": OVERRUN,
    "moved_then_reallocated": AGAIN,
    "reallocated_in_the_middle": WRONG,
    "vector_overrun": OVERRUN,
    "thread": TWICE,
    "handled": TWICE,
    "while_unwinding": TWICE,
    "terminating": TWICE,
}
OTHERS = {
    "asserted": "assertion",
    "aborted": "program_abort",
    "terminated": "uncaught_exception",
    "smashed": "stack_smashing",
    "fortified": "fortify_overflow",
    "survived": "program_abort",
}
CALLERS = {
    "literal_freed_by_destructor": "Option::~Option",
    "thread": "in_thread",
    "while_unwinding": "Twice::~Twice",
    "terminating": "free_and_end",
}
# These go on after the first SIGABRT: to their handler.
HANDLED = ("handled", "survived")
BUILDS = {
    "64": ("-O2", "-D_FORTIFY_SOURCE=2", "-fstack-protector-all"),
    "32": ("-O2", "-m32", "-D_FORTIFY_SOURCE=2", "-fstack-protector-all"),
    "static": ("-O2", "-static"),
    "stripped": ("-O2", "-s"),
}


@dataclass(frozen=True)
class Death:
    """What the program wrote before it died (the pointer), and the answers: `fault`, `heap check`, and from the
    core."""

    pointer: int
    fault: dict[str, Any]
    check: dict[str, Any]
    core: dict[str, Any]


@functools.cache
def deaths(kind: str, directory: Path) -> dict[str, Death]:
    """Let every case die in one run of gdb."""
    program = build("deaths", *BUILDS[kind])
    lines = ["set confirm off", "set pagination off", f"source {ROOT / 'gdb_init.py'}", *kept_symbols(program)]
    cases = [*CAUSES, *(OTHERS if kind in ("64", "32") else ())]
    for case in cases:
        where = directory / case
        lines += [
            f"run {case} > {where}.told 2>&1",
            *(["continue"] if case in HANDLED else []),
            f"fault --json --output {where}.fault",
            f"heap check --json --output {where}.check",
        ]
        if kind in ("64", "32"):
            lines += [f"generate-core-file {where}.core", f"core-file {where}.core"]
        lines.append(f"fault --json --output {where}.last")
    words = ["gdb", "-nx", "-q", "-batch"]
    for line in lines:
        words += ["-ex", line]
    run_gdb([*words, str(program)], patience=300)
    for core in directory.glob("*.core"):
        core.unlink()
    return {case: _death(directory / case) for case in cases}


def _death(where: Path) -> Death:
    told = where.with_suffix(".told").read_text().split("\n")[0]
    answers = [json.loads(where.with_suffix(suffix).read_text()) for suffix in (".fault", ".check", ".last")]
    return Death(int(told, 16) if told.startswith("0x") else 0, *answers)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return {kind: tmp_path_factory.mktemp("deaths") for kind in BUILDS}


@pytest.mark.parametrize("kind", BUILDS)
@pytest.mark.parametrize("case", CAUSES)
def test_the_cause_the_pointer_and_the_caller_are_told_live_and_from_the_core(case, kind, directory):
    death, cause = deaths(kind, directory[kind])[case], CAUSES[case]
    for answer in (death.fault, death.core):
        first = answer["rows"][0]
        if first["verdict"] == "invalid_free":  # a crash: free followed the wrong pointer before it checked it
            assert cause in (WRONG, INSIDE) and int(first["address"], 16) == death.pointer
            continue
        assert first["verdict"] == "malloc_abort"
        assert f": {cause}" in first["summary"]
        if cause != OVERRUN or case not in ("overrun_then_free", "vector_overrun"):
            assert f"{death.pointer:#x} " in first["summary"]
        if kind != "stripped":
            called = next(fact for fact in first["evidence"] if fact.startswith("called from "))
            assert called.split(" at ")[0].endswith(CALLERS.get(case, case))
    if "abort" in death.check["totals"] and cause != OVERRUN:
        assert int(death.check["totals"]["abort_pointer"], 16) == death.pointer
    if cause == OVERRUN:
        assert death.check["rows"][0]["writer"] == "overrun"
    else:
        assert death.check["faults"] == []


@pytest.mark.parametrize("kind", ["64", "32"])
@pytest.mark.parametrize("case", OTHERS)
def test_a_death_of_another_kind_is_not_called_mallocs(case, kind, directory):
    death = deaths(kind, directory[kind])[case]
    for answer in (death.fault, death.core):
        assert answer["rows"][0]["verdict"] == OTHERS[case]
    assert "abort" not in death.check["totals"]
    assert death.check["faults"] == []


REAL = """
import ctypes
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
block = libc.malloc(2000)
ctypes.memset(block, 0, 2000)
libc.malloc(24)
open("{told}", "w").write(hex(block))
{deed}
"""
DEEDS = {
    TWICE: "libc.free(block); libc.free(block)",
    INSIDE: "libc.free(block + 32)",
    OVERRUN: "ctypes.memmove(block, b'x' * 2007 + b'y', 2024); libc.free(libc.malloc(1 << 20)); libc.free(block)",
}


@pytest.mark.parametrize("cause", DEEDS)
def test_a_python_that_frees_wrongly_is_told_so(cause, tmp_path):
    """The interpreter is nobody's here: stripped, of several libraries, with an allocator of its own above malloc."""
    script = tmp_path / "deed.py"
    script.write_text(REAL.format(told=tmp_path / "told", deed=DEEDS[cause]))
    answers = ask(["python3"], ["fault", "heap check"], get_there=[f"run {script}"], patience=120)
    first = answers["fault"]["rows"][0]
    block = int((tmp_path / "told").read_text(), 16)
    assert first["verdict"] == "malloc_abort"
    # What libffi handed on it keeps nowhere: a pointer that is no chunk's may not be found, but none is named for sure
    # that was not passed.
    if cause != INSIDE or f": {cause}" in first["summary"]:
        assert f": {cause}" in first["summary"]
        assert f"{block + 32 if cause == INSIDE else block:#x} " in first["summary"]
    assert bool(answers["heap check"]["faults"]) is (cause == OVERRUN)


@pytest.mark.parametrize("kind", ["64", "32"])
def test_delete_of_what_new_for_an_array_returned_is_told_as_that(kind, directory):
    first = deaths(kind, directory[kind])["array_deleted_as_one"].fault["rows"][0]
    assert "keeps the number of the elements in front (4), and delete[] must free it" in first["summary"]


def test_through_gdbserver_and_with_another_thread_selected_the_same_is_told(tmp_path):
    program = build("deaths", *BUILDS["64"])
    server = f"target remote | gdbserver --once - {program} thread"
    lines = [
        "set confirm off",
        f"source {ROOT / 'gdb_init.py'}",
        server,
        "continue",
        f"fault --json --output {tmp_path / 'fault'}",
    ]
    lines += ["thread 1", f"heap check --json --output {tmp_path / 'check'}", "kill"]
    words = ["gdb", "-nx", "-q", "-batch"]
    for line in lines:
        words += ["-ex", line]
    text = run_gdb([*words, str(program)], patience=120)
    fault, check = (json.loads((tmp_path / name).read_text()) for name in ("fault", "check"))
    first = fault["rows"][0]
    assert (first["verdict"], TWICE in first["summary"]) == ("malloc_abort", True), text
    assert check["totals"]["abort_pointer"] in first["summary"]
    assert (check["faults"], check["totals"]["transient"]) == ([], 0)
    assert any("another is selected" in note for note in check["notes"])
