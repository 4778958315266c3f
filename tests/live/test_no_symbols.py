"""Without debug files everything is found by its shape: the answers are the same, and the command says how it knew."""

from __future__ import annotations

import pytest

from support.expected import rows_of, shown, story_of_many_sizes
from support.gdb_runs import ask, kernel_core
from support.programs import build, running

COMMANDS = ["heap chunks", "heap bins", "heap arenas"]
HIDDEN = ["set debug-file-directory /nonexistent", "set debuginfod enabled off"]
PROGRAMS = {
    "many_sizes": (),
    "mixed": ("3",),
    "threads": ("6",),
    "mmapped": (),
    "fenceposts": (),
    "many_heaps": (),
}


@pytest.mark.parametrize("flags", [(), ("-m32",)], ids=["x86-64", "i386"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_answers_are_those_given_with_symbols(name, flags):
    with running(build(name, "-s", *flags), *PROGRAMS[name]) as process:
        known = ask(["-p", str(process.pid)], COMMANDS)
        guessed = ask(["-p", str(process.pid)], COMMANDS, first=HIDDEN)
    assert rows_of(guessed) == rows_of(known)
    assert guessed["heap chunks"]["faults"] == []


@pytest.mark.parametrize("flags", [("-s",), ("-s", "-static")], ids=["shared", "static"])
def test_a_stripped_program_tells_its_story(flags):
    with running(build("many_sizes", *flags)) as process:
        answer = ask(["-p", str(process.pid)], ["heap chunks"], first=HIDDEN)["heap chunks"]
    story = story_of_many_sizes(process.ledger, 8)
    assert {address: chunk for address, chunk in shown(answer).items() if address in story} == story
    assert answer["faults"] == []


def test_a_core_without_symbols_tells_what_the_process_told(tmp_path):
    program = build("threads", "-s")
    with running(program, directory=tmp_path) as process:
        live = ask(["-p", str(process.pid)], COMMANDS)
        core = ask([str(program), str(kernel_core(process, tmp_path))], COMMANDS, first=HIDDEN)
    assert rows_of(core) == rows_of(live)
