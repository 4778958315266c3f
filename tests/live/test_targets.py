"""The same heap by every way to a process: the answers are those of the plain attached one, and equal to the ledger."""

from __future__ import annotations

import shlex

import pytest

from support.expected import NO_PROCESS, rows_of, shown, story_of_many_sizes
from support.gdb_runs import ask, generated_core, kernel_core
from support.ledger import read_ledger
from support.programs import build, running

COMMANDS = ["heap chunks", "heap bins", "heap arenas"]
WORDS = pytest.mark.parametrize("flags", [(), ("-m32",)], ids=["x86-64", "i386"])


def assert_tells_the_story(answers, ledger, word):
    chunks, story = shown(answers["heap chunks"]), story_of_many_sizes(ledger, word)
    assert {address: chunk for address, chunk in chunks.items() if address in story} == story
    assert sorted(state for a, (_, state) in chunks.items() if a not in story) == ["malloc_owned", "top"]
    assert [answers[command]["faults"] for command in COMMANDS] == [[], [], []]


@WORDS
def test_cores_of_gdb_and_of_the_kernel_tell_what_the_process_told(tmp_path, flags):
    word = 4 if flags else 8
    program = build("many_sizes", *flags)
    with running(program, directory=tmp_path) as process:
        live = ask(["-p", str(process.pid)], COMMANDS)
        assert_tells_the_story(live, process.ledger, word)
        from_gdb = ask([str(program), str(generated_core(process.pid, tmp_path))], COMMANDS)
        from_kernel = ask([str(program), str(kernel_core(process, tmp_path))], COMMANDS)
    assert rows_of(from_gdb) == rows_of(live)
    assert rows_of(from_kernel) == rows_of(live)


@WORDS
@pytest.mark.parametrize("name", ["threads", "mmapped", "fenceposts", "many_heaps"])
def test_a_core_of_threads_mappings_and_pieces_tells_what_the_process_told(tmp_path, name, flags):
    program = build(name, *flags)
    with running(program, directory=tmp_path) as process:
        live = ask(["-p", str(process.pid)], COMMANDS)
        from_kernel = ask([str(program), str(kernel_core(process, tmp_path))], COMMANDS)
    assert rows_of(from_kernel) == rows_of(live)
    assert (from_kernel["heap chunks"]["faults"], live["heap chunks"]["faults"]) == ([], [])


@pytest.mark.parametrize("flags", [(), ("-no-pie",), ("-static",), ("-m32",)], ids=["pie", "no-pie", "static", "i386"])
@pytest.mark.parametrize("randomized", ["off", "on"])
def test_a_process_run_under_gdb_with_and_without_aslr(tmp_path, flags, randomized):
    word = 4 if "-m32" in flags else 8
    told = tmp_path / "ledger"
    get_there = [
        f"set disable-randomization {'off' if randomized == 'on' else 'on'}",
        "break inspected",
        f"run < /dev/null > {shlex.quote(str(told))}",
    ]
    answers = ask([str(build("many_sizes", *flags))], COMMANDS, get_there=get_there)
    ledger = read_ledger(told.read_text())
    chunks, story = shown(answers["heap chunks"]), story_of_many_sizes(ledger, word)
    assert {address: chunk for address, chunk in chunks.items() if address in story} == story
    assert answers["heap chunks"]["faults"] == []


def test_a_core_beside_a_program_of_the_other_machine_is_refused_until_its_own_is_loaded(tmp_path):
    own, other = build("mixed"), build("mixed", "-m32")
    with running(own, directory=tmp_path) as process:
        core = generated_core(process.pid, tmp_path)
    get_there = [f"file {other}", f"core-file {core}", "heap chunks", f"file {own}"]
    answers = ask([], ["heap chunks"], get_there=get_there)
    refusal = (
        "this core is of an x86-64 process, but gdb takes it for i386, as the program that is loaded is: "
        "load the one that left it (`file PROGRAM`)"
    )
    assert answers.text.count(refusal) == 1
    assert rows_of(answers) == rows_of(ask([str(own), str(core)], ["heap chunks"]))


def test_what_gdb_says_of_a_cores_registers_is_not_within_an_answer(gdb, tmp_path):
    program = build("threads")
    with running(program, "5", directory=tmp_path) as process:
        core = kernel_core(process, tmp_path)
    # An older gdb on a newer processor warns of each thread's .reg-xstate, once it reads it.
    said = gdb(program, "heap check", "fault", before=(f"core-file {core}",))
    assert "warning" not in said["heap check"] + said["fault"]
    assert said["heap check"].startswith("no fault: ")


def test_before_libc_is_loaded_there_is_one_clear_line():
    answers = ask([str(build("many_sizes"))], ["heap chunks"], get_there=["starti"])
    assert answers.json == {}
    assert (
        answers.text.splitlines()[-1]
        == "libc is not loaded yet: let the program run further (`start`, or a breakpoint on main)"
    )


@pytest.mark.parametrize("flags", [(), ("-m32",)], ids=["x86-64", "i386"])
def test_before_the_first_malloc_there_is_one_clear_line_or_an_empty_heap(flags):
    with running(build("before_malloc", *flags)) as process:
        answers = ask(["-p", str(process.pid)], ["heap chunks"])
    if "heap chunks" in answers.json:
        assert (answers["heap chunks"]["rows"], answers["heap chunks"]["faults"]) == ([], [])
    else:
        assert (
            "\nmalloc has not been used yet: main_arena is empty. Stop later, after the first malloc\n" in answers.text
        )


def test_without_a_process_there_is_one_clear_line():
    assert ask([], ["heap chunks"], fresh=True).text == f"{NO_PROCESS}\n"


def test_a_process_that_has_exited_is_no_process():
    answers = ask([str(build("before_malloc"))], ["heap chunks"], get_there=["run < /dev/null > /dev/null"])
    assert answers.text.splitlines()[-1] == NO_PROCESS
