"""heap snapshot and heap diff on a process that grows."""

from __future__ import annotations

import subprocess
import sys

from support.gdb_runs import ROOT, ask
from support.programs import build


def test_three_snapshots_show_the_leak_apart_from_the_cache(tmp_path):
    files = [str(tmp_path / f"{name}.heap") for name in ("one", "two", "three")]
    take = [f"heap snapshot --output {file}" for file in files]
    get_there = ("break inspected", "run", take[0], "continue", take[1], "continue", take[2])
    two, three = f"heap diff {files[0]} {files[1]}", f"heap diff {' '.join(files)}"
    answers = ask([str(build("growing"))], (two, three), get_there=get_there)
    # 200 bytes are a chunk of 208 (0xd0), 40 bytes one of 48 (0x30).
    assert {
        (row["chunk_size"], row["what"]): row["grown_bytes"] for row in answers[two]["rows"] if row["appeared"]
    } == {
        (0xD0, "text"): 25 * 0xD0,
        (0x30, "zeros"): 100 * 0x30,
    }
    steady = answers[three]["rows"][0]
    assert (steady["what"], steady["steady_bytes"]) == ("text", 25 * 0xD0)
    assert (steady["old"], steady["born_first"], steady["born_second"]) == (25, 25, 25)
    assert answers[three]["totals"] == {"steady_bytes": 25 * 0xD0}
    assert "the process could run on after" in answers.text


def test_named_snapshots_are_kept_listed_and_compared_without_gdb(tmp_path):
    environment = {"XDG_STATE_HOME": str(tmp_path)}
    get_there = (
        "break inspected",
        "run",
        "heap snapshot before",
        "continue",
        "heap snapshot after",
        "heap snapshot after",
    )
    listed = "heap snapshots"
    answers = ask([str(build("growing"))], (listed,), get_there=get_there, environment=environment)
    assert [row["name"] for row in answers[listed]["rows"]] == ["before", "after"]
    assert "already exists: --replace overwrites it" in answers.text
    said = subprocess.run(
        [sys.executable, "-m", "gdbheap", "diff", "before", "after"],
        cwd=ROOT,
        env={"PYTHONPATH": ":".join(sys.path), **environment},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert said.stderr == ""
    # (What leads on from it wants the process, which has ended.)
    assert said.stdout.splitlines()[-1] == "total: grown bytes 10,000 (9.8 KiB), appeared 125, vanished 0"


def test_one_snapshot_is_compared_with_the_heap_as_it_is(tmp_path):
    file = tmp_path / "one.heap"
    get_there = ("break inspected", "run", f"heap snapshot --output {file}", "continue")
    said = ask([str(build("growing"))], (f"heap diff {file}",), get_there=get_there)[f"heap diff {file}"]
    assert said["totals"] == {"grown_bytes": 25 * 0xD0 + 100 * 0x30, "appeared": 125, "vanished": 0}


def test_with_detach_the_process_runs_on_before_the_file_is_written(tmp_path, gdb):
    file = tmp_path / "one.heap"
    take = f"heap snapshot --output {file} --detach"
    said = gdb(build("growing"), "break inspected", "run", take, "heap", f"heap diff {file} {file}")
    assert "and has detached from it; written after" in said[take]
    assert said["heap"] == "there is no process: run a program, attach to one, or load a core\n"
    assert "nothing has changed" in said[f"heap diff {file} {file}"]


# What it is told wrongly, and the line that it says.
WRONG = {
    "heap diff nowhere": "there is no snapshot nowhere ({home}/gdbheap/snapshots/nowhere.heap); there are: before",
    "heap diff before nowhere": "there is no snapshot nowhere ({home}/gdbheap/snapshots/nowhere.heap); there are: "
    "before",
    "heap diff": "heap diff: A is missing: The first snapshot: a name, or a path (with a /). (as in "
    "`heap diff before`)",
    "heap diff before /": "cannot read /: it is not a regular file",
    "heap diff before /dev/null": "cannot read /dev/null: it is not a regular file",
    "heap diff before ../..": "cannot read ../..: it is not a regular file",
    "heap snapshot before": "heap snapshot: {home}/gdbheap/snapshots/before.heap already exists: --replace "
    "overwrites it",
    "heap snapshot --output /dev/full --replace": "heap snapshot: /dev/full is not a regular file",
    "heap snapshot a/b/c": "heap snapshot: cannot write a/b/c: No such file or directory",
}


def test_what_is_no_snapshot_is_one_line(tmp_path, gdb, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    said = gdb(build("growing"), "break inspected", "run", "heap snapshot before", *WRONG)
    assert {command: said[command] for command in WRONG} == {
        command: line.format(home=tmp_path) + "\n" for command, line in WRONG.items()
    }


def test_a_directory_that_cannot_be_made_is_one_line(tmp_path, gdb, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null/state")
    elsewhere = f"heap snapshot --output {tmp_path}/kept.heap"
    said = gdb(build("growing"), "break inspected", "run", "heap snapshot one", "heap diff one", elsewhere)
    place = "/dev/null/state/gdbheap/snapshots"
    assert said["heap snapshot one"] == (
        f"heap snapshot: cannot make {place}: Not a directory (--output FILE puts the snapshot elsewhere)\n"
    )
    assert said["heap diff one"] == f"there is no snapshot one ({place}/one.heap); there are: none\n"
    assert "the process could run on after" in said[elsewhere]


def test_the_names_of_snapshots_are_offered(tmp_path, gdb, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    offered = {
        "complete heap diff be": "heap diff before\n",
        "complete heap diff before a": "heap diff before after\n",
        "complete heap diff x": "",
    }
    said = gdb(build("growing"), "break inspected", "run", "heap snapshot before", "heap snapshot after", *offered)
    assert {command: said[command] for command in offered} == offered


def test_an_unreadable_snapshot_is_one_line(tmp_path, gdb):
    broken = tmp_path / "broken.heap"
    broken.write_text("gdbheap snapshot\n")
    command = f"heap diff {broken} {broken}"
    assert gdb(None, command)[command] == f"{broken} is not a readable snapshot: it ends early\n"
