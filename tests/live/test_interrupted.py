"""malloc that a signal interrupted half-way: who waits for whose mutex, a malloc that was entered again, and that
nobody else is blamed. (Public reports: handler_malloc_deadlock, handler_malloc_corrupts, fork_child_mutex.)"""

from __future__ import annotations

import re

import pytest

from support.gdb_runs import ask, ask_in_turn, generated_core, kernel_core
from support.programs import build, running

HIDDEN = ("set debug-file-directory /nonexistent", "set debuginfod enabled off")
BUILDS = {
    "x86-64": (("-O0",), ()),
    "i386": (("-m32", "-O2"), ()),
    "stripped": (("-O2", "-s"), HIDDEN),
    "i386, stripped": (("-m32", "-s"), HIDDEN),
    "static, stripped": (("-O2", "-s", "-static"), HIDDEN),
}
WITH_CORES = ("x86-64", "i386, stripped")
# A thread that nothing is known of may hold any mutex.
UNKNOWN = {("left", "static, stripped")}
COMMANDS = ("fault", "heap", "heap check")
NOBODY = "can hold it: it will wait forever"
# What happened, and how the sentence on it must go, with the handler's name where anybody can know it.
WAITS = {
    "own": r"thread 1 waits for the mutex of arena main, which it holds itself, since (the signal handler on_enter|a "
    r"signal handler) interrupted ",
    "left": rf"thread 1 waits for the mutex of arena main, and no thread of this process {NOBODY}$",
    "forked": rf"thread 1, the only one, waits for the mutex of arena main, and no thread of this process {NOBODY}$",
}
CALLS = {"own": "malloc", "left": "calloc", "forked": "free", "held": "realloc"}


def built(*flags):
    """Return the program; a handler stays on the stack under its own name while it calls malloc."""
    return build("interrupted", "-fno-optimize-sibling-calls", *flags)


def deadlocks(answers):
    return [row for row in answers["fault"]["rows"] if row["verdict"] == "deadlock_in_malloc"]


def told(answers, mode):
    """Check one answer on a process that waits for ever."""
    rows = deadlocks(answers)
    assert len(rows) == 1, answers.text
    assert rows[0]["confidence"] == "certain"
    assert re.match(WAITS[mode], rows[0]["summary"]), rows[0]["summary"]
    for command in ("heap", "heap check"):
        assert f"deadlock: {rows[0]['summary']}" in answers[command]["notes"]
    assert answers["heap check"]["faults"] == []
    guesses = [fact for fact in rows[0]["evidence"] if "is a guess" in fact]
    assert [("fork" in each, "longjmp" in each) for each in guesses] == {
        "own": [],
        "left": [(False, True)],
        "forked": [(True, True)],
    }[mode]


@pytest.mark.parametrize(("mode", "kind"), [(m, k) for m in WAITS for k in BUILDS if (m, k) not in UNKNOWN])
def test_who_waits_for_ever_is_told_attached_and_of_a_core(mode, kind, tmp_path):
    flags, first = BUILDS[kind]
    program = built(*flags)
    with running(program, mode, CALLS[mode], directory=tmp_path) as process:
        pid = process.pid
        told(ask(["-p", str(pid)], COMMANDS, first=first), mode)
        if kind not in WITH_CORES:
            return
        # What a user does with a process that hangs; the child's parent would hold on to the core's name.
        core = generated_core(pid, tmp_path) if mode == "forked" else kernel_core(process, tmp_path)
        answers = ask([str(program), str(core)], COMMANDS, first=first)
        told(answers, mode)
        if mode == "left":
            verdicts = [row["verdict"] for row in answers["fault"]["rows"]]
            assert verdicts == ["deadlock_in_malloc", "external_signal"]


@pytest.mark.parametrize(("flags", "first"), BUILDS.values(), ids=BUILDS)
def test_a_mutex_that_another_thread_holds_is_no_deadlock(flags, first):
    with running(built(*flags), "held", CALLS["held"]) as process:
        answers = ask(["-p", str(process.pid)], COMMANDS, first=first)
    assert deadlocks(answers) == []
    assert not any("deadlock" in note for each in COMMANDS for note in answers[each]["notes"])
    notes = [note for note in answers["heap"]["notes"] if "waits for the mutex" in note]
    assert len(notes) == 1
    assert re.search(r", which thread [23] \(in .*, interrupted by .*signal handler.*\) holds$", notes[0])


def test_where_the_stacks_do_not_tell_who_holds_a_mutex_nothing_is_claimed():
    flags, first = BUILDS["static, stripped"]
    with running(built(*flags), "left", CALLS["left"]) as process:
        answers = ask(["-p", str(process.pid)], COMMANDS, first=first)
    assert deadlocks(answers) == []
    waits = "in mid-operation: thread 1 waits for the mutex of arena main, and who holds it cannot be seen"
    assert answers["heap"]["notes"][-1] == waits


# Which stores of malloc's the compiler has put first decides where it can be broken: found by trying.
AGAIN = {"x86-64": ("-O0", "malloc", "calloc"), "i386": ("-m32", "realloc")}


@pytest.mark.parametrize("bits", AGAIN)
def test_a_malloc_that_was_entered_again_is_told_and_no_block_is_blamed(bits, tmp_path):
    flag, *calls = AGAIN[bits]
    turns = {}
    for call in calls:
        core = tmp_path / f"{call}.core"
        turns[call, "live"] = ["handle SIGSEGV nostop noprint pass", f"run again {call}", f"generate-core-file {core}"]
    for call in calls:
        turns[call, "core"] = [*(["kill"] if call == calls[0] else []), f"core-file {tmp_path / call}.core"]
    for (call, _), answers in ask_in_turn(built(flag), turns, COMMANDS).items():
        first, second = answers["fault"]["rows"]
        assert (first["verdict"], first["confidence"], second["verdict"]) == (
            "reentered_malloc",
            "certain",
            "malloc_abort",
        )
        assert re.match(
            r"malloc was entered again in the middle of its work: the signal handler on_enter interrupted "
            r"_int_malloc\S*, which malloc had called "
            rf"\(frame \d+\), and called {call} \(frame \d+\)",
            first["summary"],
        ), first["summary"]
        assert "written" not in str(answers["fault"]["rows"])
        assert {row["writer"] for row in answers["heap check"]["rows"]} <= {"unknown"}
        assert answers["heap check"]["faults"] == []


# How malloc's functions are called where no debug information names them.
UNNAMED = "a function of malloc's"
LATER = {"x86-64": ("-O0",), "i386": ("-m32", "-O0")}


@pytest.fixture(scope="module", params=[(kind, hidden) for kind in LATER for hidden in (False, True)], ids=str)
def broken_later(request, tmp_path_factory):
    """Return the answers on processes that died after the handler had returned, by (mode, "live" or "core")."""
    (kind, hidden), place = request.param, tmp_path_factory.mktemp("later")
    turns = {}
    for mode in ("before", "counted", "overrun", "apart"):
        turns[mode, "live"] = ["handle SIGSEGV SIGALRM nostop noprint pass", f"run {mode}"]
    for mode in ("before", "apart"):
        turns[mode, "live"].append(f"generate-core-file {place / mode}")
        turns[mode, "core"] = [*(["kill"] if mode == "before" else []), f"core-file {place / mode}"]
    return ask_in_turn(built(*LATER[kind]), turns, ("fault", "heap check"), first=HIDDEN if hidden else ())


def rows_by_name(answers):
    return {row["verdict"]: row for row in answers["fault"]["rows"]}


def test_a_handler_that_entered_malloc_and_has_returned_is_told_as_likely_and_no_block_is_blamed(broken_later):
    for kind in ("live", "core"):
        answers = broken_later["before", kind]
        rows = rows_by_name(answers)
        assert rows["reentered_malloc"]["confidence"] == "likely"
        assert re.match(
            rf"the signal handler on_free had interrupted (\w*malloc|{UNNAMED}) before, and had itself entered "
            rf"malloc's code \((\w*free\w*|{UNNAMED})\): such a call corrupts a heap that is between two states$",
            rows["reentered_malloc"]["summary"],
        ), rows["reentered_malloc"]["summary"]
        assert "written" not in str(answers["fault"]["rows"])
        assert {row["writer"] for row in answers["heap check"]["rows"]} <= {"unknown"}


def test_a_handler_that_called_nothing_is_no_explanation(broken_later):
    rows = rows_by_name(broken_later["counted", "live"])
    # Who wrote past the block may have been the handler, for all that anybody knows.
    assert rows["malloc_abort"]["confidence"] == "likely"
    assert "a write past a block's end: " in rows["malloc_abort"]["summary"]
    assert "reentered_malloc" not in rows


def test_a_text_past_a_blocks_end_is_no_handlers_work(broken_later):
    rows = rows_by_name(broken_later["overrun", "live"])
    assert "a write past a block's end: " in rows["malloc_abort"]["summary"]
    assert rows["reentered_malloc"]["confidence"] == "possible"


def test_a_handler_that_never_interrupted_malloc_is_not_suspected(broken_later):
    for kind in ("live", "core"):
        rows = rows_by_name(broken_later["apart", kind])
        assert rows["malloc_abort"]["confidence"] == "certain"
        assert "a write past a block's end: " in rows["malloc_abort"]["summary"]
        assert "reentered_malloc" not in rows
