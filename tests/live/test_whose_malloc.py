"""Whose malloc it is: glibc's under another file name, the program's own, a preloaded library's."""

from __future__ import annotations

import re
import shutil

import pytest

from support.gdb_runs import ask
from support.programs import build

MAIN = "own_malloc_main"
COMMANDS = ["heap chunks", "heap leaks", "heap arenas"]
WORDS = pytest.mark.parametrize("flags", [(), ("-m32",)], ids=["x86-64", "i386"])
STOP = ("break inspected", "run < /dev/null > /dev/null")


# renamed_libc: as sites with programs to be broken into hand them out
@pytest.mark.parametrize("name", ["libc.so", "libc6_2.36-9_amd64.so", "chal_libc.so"])
def test_a_libc_of_any_file_name_is_glibc(name, tmp_path):
    usual = ask([str(build(MAIN))], COMMANDS, get_there=(*STOP, "info sharedlibrary libc.so"))
    (path,) = {line.split()[-1] for line in usual.text.splitlines() if line.endswith("/libc.so.6")}
    shutil.copy(path, tmp_path / name)
    preload = f"set environment LD_PRELOAD {tmp_path / name}"
    get_there = (preload, STOP[0], STOP[1].replace("run", "run twice"))
    answers = ask([str(build(MAIN))], ["heap chunks", "heap check"], get_there=get_there, then=("continue", "fault"))
    assert [row["size"] for row in answers["heap chunks"]["rows"]] == [
        row["size"] for row in usual["heap chunks"]["rows"]
    ]
    assert answers["heap check"]["faults"] == []
    assert re.search(r"^malloc_abort  \(certain\)  free\(\): double free detected", answers.text, re.MULTILINE)


@WORDS
def test_a_program_that_defines_malloc_is_said_to_serve_it(flags, tmp_path):
    core = tmp_path / "core"
    program = build(MAIN, "-DOWN", *flags)
    live = ask([str(program)], COMMANDS, get_there=STOP, then=(f"generate-core-file {core}",))
    dead = ask([str(program), str(core)], COMMANDS)
    assert_served_by(f"the program itself ({program.name})", live, dead)


@WORDS
def test_a_preloaded_library_that_defines_malloc_is_said_to_serve_it(flags, tmp_path):
    core = tmp_path / "core"
    library, program = build("bump", "-shared", "-fPIC", *flags), build(MAIN, *flags)
    get_there = (f"set environment LD_PRELOAD {library}", *STOP)
    live = ask([str(program)], COMMANDS, get_there=get_there, then=(f"generate-core-file {core}",))
    dead = ask([str(program), str(core)], COMMANDS)
    assert_served_by(library.name, live, dead)


def assert_served_by(name, *all_answers):
    """Since glibc 2.42 there is an arena before malloc's first use: its heap is empty, which a note explains."""
    for answers in all_answers:
        if answers.json:
            note = f"{name} defines malloc: blocks that it does not take from libc are not in this heap"
            assert [row for row in answers["heap chunks"]["rows"] if row["state"] == "in_use"] == []
            assert all(note in answers[command]["notes"] for command in ("heap chunks", "heap leaks"))
        else:
            refusal = (
                f"glibc's malloc has not been used: {name} defines malloc, and serves it in its place (a later "
                "stop shows"
            )
            assert answers.text.count(refusal) == len(COMMANDS)
