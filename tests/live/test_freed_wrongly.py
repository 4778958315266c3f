"""Deaths in free whose cause public reports had to find by hand: the pointer that free was given is told by the
call, the source and the types, and never an argument that only happens to fit; headers that a long write went
over are the overrun's, not a wrong pointer's."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.gdb_runs import ROOT, kept_symbols, run_gdb
from support.programs import build

WRONG = "a pointer that malloc did not return: "
PAST, BELOW, STACK = (
    "a write past a block's end: ",
    "a write over a block's header from above: ",
    "a stack that overflowed: ",
)
# What each did, and what the source calls the pointer.
POINTERS = {
    "member_of_literal": "option->value",
    "member_of_argument": "connection->buffer",
    "misaligned": "text",
    "dropped_by_a_jump": "option->value",
    "element_of_table": "table[index].text",
    "member_of_global": "settings.list[1].value",
    "through_a_pointer": "*place",
    "grown_from_the_middle": "connection->buffer",
}
HEADERS = {
    "overrun_with_text": PAST,
    "overrun_with_ones": PAST,
    "overrun_with_zeros": PAST,
    "overrun_with_flags": PAST,
    "overrun_of_one_kept_nowhere": PAST,
    "written_below": BELOW,
    "stack_overflowed": STACK,
}
# (What lies first in the heap, with the block's header, is malloc's own.)
FIRST = "all_before_it_overwritten"
READ_ONLY = ("member_of_literal", "element_of_table")
BUILDS = {
    "-O0": ("-O0",),
    "-O2": ("-O2",),
    "32": ("-O2", "-m32"),
    "stripped": ("-O2", "-s"),
}


@dataclass(frozen=True)
class Death:
    """`told` is what the program wrote of the pointer before it died; `fault` live and `core` from the core."""

    told: int
    fault: dict[str, Any]
    core: dict[str, Any]


@functools.cache
def deaths(kind: str, directory: Path) -> dict[str, Death]:
    """Let every case die in one run of gdb."""
    program = build("freed_wrongly", *BUILDS[kind])
    lines = ["set confirm off", f"source {ROOT / 'gdb_init.py'}", *kept_symbols(program)]
    for case in (*POINTERS, *HEADERS, FIRST):
        where = directory / case
        lines += [f"run {case} > {where}.told 2>&1", f"fault --json --output {where}.fault"]
        lines += [f"generate-core-file {where}.core", f"core-file {where}.core"] if kind == "-O2" else []
        lines.append(f"fault --json --output {where}.last")
    words = ["gdb", "-nx", "-q", "-batch"]
    for line in lines:
        words += ["-ex", line]
    run_gdb([*words, str(program)], patience=300)
    for core in directory.glob("*.core"):
        core.unlink()
    return {case: _death(directory / case) for case in (*POINTERS, *HEADERS, FIRST)}


def _death(where: Path) -> Death:
    told = where.with_suffix(".told").read_text().split("\n")[0]
    answers = [json.loads(where.with_suffix(suffix).read_text()) for suffix in (".fault", ".last")]
    return Death(int(told, 16), *answers)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return {kind: tmp_path_factory.mktemp("freed") for kind in BUILDS}


@pytest.mark.parametrize("kind", BUILDS)
@pytest.mark.parametrize("case", POINTERS)
def test_the_pointer_is_the_one_that_was_passed_and_the_heap_is_sound(case, kind, directory):
    """free_misaligned_argc, free_member_other_argument, free_member_not_found, and more of their kind."""
    death = deaths(kind, directory[kind])[case]
    for answer in (death.fault, death.core):
        first = answer["rows"][0]
        assert (first["verdict"], first["confidence"]) in (("malloc_abort", "certain"), ("invalid_free", "certain"))
        which = "is the start of no block" if case == "dropped_by_a_jump" else "malloc did not return"
        assert f"a pointer that {which}: {death.told:#x} " in first["summary"]
        evidence = "\n".join(first["evidence"])
        if first["verdict"] == "malloc_abort":
            assert "the heap itself is sound" in evidence or case == "member_of_literal"
        if kind == "-O0":
            assert f"`{POINTERS[case]}`" in evidence
        if case in READ_ONLY:
            assert "in memory that is read-only" in first["summary"]
            assert '"a default value"' in first["summary"]


def told_without_blame(death, answer):
    """Return the first row, and its text, which names the freed pointer and does not call it wrong."""
    assert "invalid_free" not in [row["verdict"] for row in answer["rows"]]
    first = answer["rows"][0]
    text = "\n".join((first["summary"], *first["evidence"]))
    assert "malloc did not return" not in text
    assert f"{death.told:#x}" in text
    return first, text


@pytest.mark.parametrize("kind", BUILDS)
@pytest.mark.parametrize("case", HEADERS)
def test_an_overwritten_header_is_no_wrong_pointer(case, kind, directory):
    """overrun_several_headers, coroutine_stack_in_malloc."""
    death = deaths(kind, directory[kind])[case]
    for answer in (death.fault, death.core):
        first, text = told_without_blame(death, answer)
        if first["verdict"] == "malloc_abort":
            # Zeros were there before, or may be anybody's; the other began with the last word of the block (on i386
            # before that).
            unsure = ("overrun_with_zeros", *(() if kind == "32" else ("overrun_of_one_kept_nowhere",)))
            perhaps = "probably " if case in unsure else ""
            assert f": {perhaps}{HEADERS[case]}" in first["summary"]
        else:
            assert first["verdict"] == "heap_corruption"
            whose = "the block itself" if case == "written_below" else "the block in use below"
            assert f"probably {whose}, mem {death.told:#x}" in text


@pytest.mark.parametrize("kind", BUILDS)
def test_a_block_behind_the_overwritten_first_chunk_was_returned_by_malloc(kind, directory):
    death = deaths(kind, directory[kind])[FIRST]
    for answer in (death.fault, death.core):
        told_without_blame(death, answer)


@pytest.mark.parametrize("flag", ["-O1", "-Os"])
def test_a_pointer_that_is_kept_nowhere_is_told_by_the_call_that_made_it(tmp_path, flag):
    """free_misaligned_argc, from -O1 on: one block, several of its size, and one before an array of calloc's."""
    program = build("free_misaligned_argc", flag)
    runs = ("", " x", " x y")
    lines = ["set confirm off", f"source {ROOT / 'gdb_init.py'}"]
    for index, words in enumerate(runs):
        lines += [f"run{words}", f"fault --json --output {tmp_path / str(index)}", "p/x (long)kept"]
    said = run_gdb(["gdb", "-nx", "-q", "-batch", *(word for line in lines for word in ("-ex", line)), str(program)])
    kept = [int(each, 16) for each in re.findall(r"\$\d = (0x\w+)", said)]
    one, several, before = (json.loads((tmp_path / str(index)).read_text())["rows"][0] for index in range(3))
    held = ": the argument p of "  # 2.41 keeps the pointer in a register of a frame of its own
    for row, block, offset in ((one, kept[0], 1), (before, kept[2], -8)):
        assert row["confidence"] == ("certain" if held in "\n".join(row["evidence"]) else "likely")
        assert f"a pointer that malloc did not return: {block + offset:#x} points " in row["summary"]
    assert several["confidence"] == "certain"
    told = "a pointer that malloc did not return: "
    if held in "\n".join(several["evidence"]):
        assert f"{told}{kept[1] + 1:#x} points 0x1 bytes into the block {kept[1]:#x} " in several["summary"]
        return
    assert f"{told}1 byte beyond what beyond had got from its call of malloc(100), at 0x" in several["summary"]
    assert "8 bytes before what before had got from its call of calloc(300)" in "\n".join(before["evidence"])
