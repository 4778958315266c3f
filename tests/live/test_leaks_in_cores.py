"""heap leaks on a core says what it said of the process; of a core that is cut short it says what it cannot know."""

from __future__ import annotations

import re

import pytest

from support.gdb_runs import ask, kernel_core
from support.programs import build, running

COMMAND = "heap leaks --kind all --blocks"
PROGRAMS = {"64-bit": ("leaks",), "32-bit": ("leaks", "-m32"), "static": ("leaks", "-static"), "C++": ("leaks_cxx",)}


@pytest.fixture(params=PROGRAMS.values(), ids=PROGRAMS)
def program(request):
    return str(build(*request.param))


def test_a_core_has_the_leaks_that_the_process_had(program, tmp_path):
    core = tmp_path / "core"
    get_there = (
        f"set args < /dev/null > {tmp_path / 'output'}",
        "break inspected",
        "run",
        f"generate-core-file {core}",
    )
    live = ask([program], (COMMAND,), get_there=get_there)[COMMAND]
    dead = ask([program, str(core)], (COMMAND,))[COMMAND]
    assert {row["kind"] for row in live["rows"]} >= {"definitely_lost", "indirectly_lost", "still_reachable"}
    assert dead["rows"] == live["rows"]


def test_a_kernels_core_too(tmp_path):
    with running(build("leaks"), directory=tmp_path) as process:
        live = ask(["-p", str(process.pid)], (COMMAND,))[COMMAND]
        core = kernel_core(process, tmp_path)
    dead = ask([str(build("leaks")), str(core)], (COMMAND,))[COMMAND]
    assert dead["rows"] == live["rows"]


def lost(answer):
    return {row["example"] for row in answer["rows"] if row["kind"] in ("definitely_lost", "indirectly_lost")}


def test_a_core_cut_short_calls_nothing_lost_but_says_what_is_unless_the_missing_ranges_hold_it(tmp_path):
    program = str(build("leaks"))
    with running(build("leaks"), directory=tmp_path) as process:
        whole = ask(["-p", str(process.pid)], (COMMAND,))[COMMAND]
        core = kernel_core(process, tmp_path)
    with open(core, "r+b") as file:
        # The end of a core is the top of the address space: the main thread's stack is lost.
        file.truncate(core.stat().st_size - (64 << 10))
    judged = f"{COMMAND} --ignore-missing"
    answers = ask([program, str(core)], (COMMAND, judged))
    answer = answers[COMMAND]
    kinds = {row["kind"] for row in answer["rows"]}
    assert "undecided" in kinds
    assert not kinds & {"definitely_lost", "indirectly_lost"}
    assert len(answer["rows"]) == len(whole["rows"])
    assert any("of the process's memory is missing from the core" in note for note in answer["notes"])
    undecided = {row["example"] for row in answer["rows"] if row["kind"] == "undecided"}
    assert lost(answers[judged]) == undecided >= lost(whole)
    (note,) = (note for note in answer["notes"] if "--ignore-missing" in note)
    ranges = r"missing from the core \(0x[0-9a-f]+-0x[0-9a-f]+\): "
    assert re.search(ranges + "the undecided blocks are lost, unless that memory holds them", note)
    assert any("lost only if that memory holds none of them" in note for note in answers[judged]["notes"])
