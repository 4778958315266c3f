"""A reserved terabyte costs nothing: only what was touched is read, and it is read."""

from __future__ import annotations

import pytest

from support.gdb_runs import Answers, ask, kernel_core
from support.programs import build, running

LEAKS = "heap leaks --kind all --blocks --size 488k-"


def search(bits: int) -> str:
    return f"heap search mapping[1UL << {bits - 4}]"


def is_found(answers: Answers, bits: int) -> bool:
    """Whether the one pointer was found. (malloc's own copies of it, in registers and dead stack, may be found as
    well.)"""
    return any(f"+ {8 << bits - 4:#x}" in row["place"] for row in answers[search(bits)]["rows"])


def test_a_pointer_in_a_reserved_terabyte_is_found_without_reading_all_of_it():
    stop = ("break inspected", "run < /dev/null", "up")
    answers = ask([str(build("sparse"))], (LEAKS, search(40)), get_there=stop, patience=30)
    assert [row["kind"] for row in answers[LEAKS]["rows"]] == ["still_reachable"]
    assert is_found(answers, 40)


def test_the_holes_of_a_core_are_not_read(tmp_path):
    program = build("sparse", "-DBITS=36")
    with running(program, directory=tmp_path) as process:
        core = kernel_core(process, tmp_path)
    assert core.stat().st_size > 1 << 36 > 512 * core.stat().st_blocks
    answers = ask([str(program), str(core)], (LEAKS, search(36)), patience=30)
    assert [row["kind"] for row in answers[LEAKS]["rows"]] == ["still_reachable"]
    assert is_found(answers, 36)


@pytest.mark.parametrize("bits", [40, 26])
def test_what_is_too_large_for_a_connection_is_not_read_and_that_is_said(bits):
    server = f"target remote | gdbserver --once - {build('sparse', f'-DBITS={bits}')}"
    stop = (server, "break inspected", "continue", "up")
    answers = ask([], (LEAKS, search(bits)), get_there=stop, then=("kill",), patience=120)
    is_large = bits > 30
    for command in (LEAKS, search(bits)):
        assert any("too large for the connection" in note for note in answers[command]["notes"]) is is_large
    assert answers[LEAKS]["totals"]["definitely_lost_blocks"] == 0
    assert is_found(answers, bits) is not is_large
