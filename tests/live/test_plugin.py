"""gdbheap as a guest in gdb: its commands, its help, and everything that it leaves as it was."""

from __future__ import annotations

import json
import re

from support.gdb_runs import ROOT
from support.programs import build

STOPPED = ("break inspected", "run")


def test_bare_gdbheap_tells_what_it_found(gdb):
    program = build("mixed")
    said = gdb(program, *STOPPED, "gdbheap --json")
    facts = {row["what"]: row["found"] for row in json.loads(said["gdbheap --json"])["rows"]}
    assert facts["program"] == str(program)
    assert facts["process"].startswith("live process ")


def test_without_a_process_a_command_says_so(gdb):
    said = gdb(None, "gdbheap")
    assert "process  none: there is no process: run a program, attach to one, or load a core\n" in said["gdbheap"]


def test_a_wrong_option_is_one_line_that_names_it(gdb):
    said = gdb(None, "gdbheap --jsn")
    assert said["gdbheap --jsn"] == "gdbheap: there is no option --jsn; did you mean --json?\n"


def test_settings_are_shown_and_set(gdb):
    said = gdb(None, "show gdbheap limit", "set gdbheap limit unlimited", "show gdbheap")
    assert said["show gdbheap limit"] == "How many rows a command shows in its text answer: 50.\n"
    assert said["show gdbheap"] == (
        "gdbheap limit       unlimited  how many rows a command shows in its text answer\n"
        "gdbheap preview     on         whether lists of chunks show what is in each\n"
        "gdbheap types       on         whether answers name the types of blocks\n"
        "gdbheap aliases     off        whether pwndbg's and GEF's names work, too\n"
        "gdbheap auto-fault  off        whether each fatal signal is explained at once\n"
    )


def test_gdbs_habits_are_gdbheaps(gdb):
    """One dash will do, help is asked for as anywhere, a wrong word shows the right ones, other plugins' names are
    there for who wants them, and the next command goes on from the last answer's example."""
    lines = ["show gdbheap aliases", "set gdbheap aliases on", "malloc_chunk $heap_example", "tcachebins --json"]
    said = gdb(
        build("mixed"),
        *STOPPED,
        "heap chunks -state in_use -count 1",
        "print $heap_example == $_",
        "heap sizes -help",
        "heap frob",
        "complete heap leaks -ki",
        "alias mp = print",
        *lines,
    )
    assert said["print $heap_example == $_"].endswith(" = 1\n")
    assert said["heap sizes -help"].startswith("Show a histogram of chunk sizes, live and free.\n\nUsage: heap sizes ")
    assert said["heap frob"].startswith("heap: there is no heap frob; there are arenas, bins, check, chunk, chunks, ")
    assert said["complete heap leaks -ki"] == "heap leaks -kind\n"
    assert said["set gdbheap aliases on"].startswith("aliases: arenas, bins, fastbins, ")
    assert said["set gdbheap aliases on"].endswith("; already taken by others: mp\n")
    assert re.search(r"^state +in_use", said["malloc_chunk $heap_example"], re.MULTILINE)
    assert {row["kind"] for row in json.loads(said["tcachebins --json"])["rows"]} <= {"tcache"}


def test_sourcing_twice_changes_nothing(gdb):
    twice = "source gdb_init.py"
    assert gdb(None, twice)[twice] == ""


def test_it_loads_from_within_another_script_wherever_gdb_is(gdb, tmp_path, monkeypatch):
    nested_source = tmp_path / "nested_source.py"
    for name in (ROOT / "gdb_init.py", "here/gdb_init.py"):
        nested_source.write_text(f"import gdb\ngdb.execute('source {name}')\n")
        here = tmp_path / "here"
        if not here.exists():
            here.symlink_to(ROOT)
        monkeypatch.chdir(tmp_path)
        said = gdb(None, f"source {nested_source}", "gdbheap", source=False)
        assert "process  none: " in said["gdbheap"]


def test_the_answer_goes_to_a_file(gdb, tmp_path):
    command = f"gdbheap --output {tmp_path / 'answer'}"
    said = gdb(None, command)
    assert said[command].endswith(f" rows in {tmp_path / 'answer'}\n")
    assert "gdbheap" in (tmp_path / "answer").read_text()


def test_an_answer_that_cannot_be_written_is_one_line(gdb):
    command = "gdbheap --output /nowhere/answer"
    assert gdb(None, command)[command] == "gdbheap: cannot write /nowhere/answer: No such file or directory\n"


def test_completion_offers_the_options(gdb):
    said = gdb(None, "complete gdbheap --j")
    assert said["complete gdbheap --j"] == "gdbheap --json\ngdbheap --json-lines\n"


def test_help_and_apropos_know_the_commands(gdb):
    said = gdb(None, "help gdbheap", "apropos how it knew")
    assert said["help gdbheap"].startswith(
        "Show what gdbheap is, what it found in this process and how it knew.\n\nUsage:"
    )
    assert "gdbheap -- Show what gdbheap is" in said["apropos how it knew"]
