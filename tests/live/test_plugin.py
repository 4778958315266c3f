"""gdbheap as a guest in gdb: its commands, its help, and everything that it leaves as it was."""

from __future__ import annotations

import json

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
    assert said["show gdbheap limit"] == "How many rows a command shows to people: 50.\n"
    assert said["show gdbheap"] == (
        "How many rows a command shows to people: unlimited.\nWhether lists of chunks show what is in each: on.\n"
        "Whether answers name the types of the blocks that they show: on.\n"
        "Whether each fatal signal is explained at once: off.\n"
    )


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
    assert said["complete gdbheap --j"] == "gdbheap --json\n"


def test_help_and_apropos_know_the_commands(gdb):
    said = gdb(None, "help gdbheap", "apropos how it knew")
    assert said["help gdbheap"].startswith(
        "Show what gdbheap is, what it found in this process and how it knew.\n\nUsage:"
    )
    assert "gdbheap -- Show what gdbheap is" in said["apropos how it knew"]
