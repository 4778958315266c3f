"""heap retained on a real process: what each variable keeps alive, against the program's own ledger."""

from __future__ import annotations

import json
import re

import pytest

from support.gdb_runs import ROOT, ask, run_gdb
from support.programs import build, running

_TOLD = re.compile(r"^holder (\w+) (\w+) (\d+) (\d+)$", re.MULTILINE)


def ledger(text: str) -> dict[str, tuple[str, int, int]]:
    """Return {holder: (kind, bytes, blocks)} as the program tells."""
    return {name: (kind, int(size), int(count)) for kind, name, size, count in _TOLD.findall(text)}


def named(row: dict) -> str:
    """Return a row's holder as the ledger names it."""
    if row["kind"] == "shared":
        return "_and_".join(sorted(each.partition(" in ")[0] for each in row["holders"]))
    return re.sub(r"( in main\(\))?( of thread \d+)?$", "", row["holder"])


@pytest.mark.parametrize("flags", [(), ("-O0",), ("-m32",), ("-s",)], ids=["O1", "O0", "i386", "stripped"])
def test_what_variables_retain_is_what_the_program_wrote_down(flags, tmp_path):
    command = f"heap retained --folded {tmp_path / 'folded'}"
    with running(build("retained", *flags)) as program:
        answer = ask(["-p", str(program.pid)], [command])[command]
        expected = ledger(program.text)
    if "-s" not in flags:
        rows = {named(row): (row["kind"], row["bytes"], row["blocks"]) for row in answer["rows"]}
        assert {name: rows.get(name) for name in expected} == expected
    else:
        # Without symbols nothing tells the kinds of variables, nor that the table's words are one.
        sums = {(row["bytes"], row["blocks"]) for row in answer["rows"]}
        wanted = {name: (size, count) for name, (_, size, count) in expected.items() if name != "table"}
        assert {name for name, pair in wanted.items() if pair not in sums} == set()
    folded = [line.rpartition(" ") for line in (tmp_path / "folded").read_text().splitlines()]
    assert sum(int(size) for _, _, size in folded) == answer["totals"]["bytes"]
    # A list of 2,000 nodes is no deeper than one.
    assert max(frames.count(";") for frames, _, _ in folded) < 10
    for what in ("bytes", "blocks"):
        assert answer["totals"][what] == sum(row[what] for row in answer["rows"] if row["kind"] != "member")


# The search for dominators gets a real SIGINT as soon as it begins, and goes on for a while if nothing comes of that.
CTRL_C = """
import os, signal, time
from gdbheap.analysis.retained import dominators
whole = dominators.core_dominators

def interrupted(*words):
    dominators.core_dominators = whole
    os.kill(os.getpid(), signal.SIGINT)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        pass
    return whole(*words)

dominators.core_dominators = interrupted
"""


def test_ctrl_c_in_the_search_keeps_what_is_known_and_the_next_command_knows_all(tmp_path):
    (tmp_path / "ctrl_c.py").write_text(CTRL_C)
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    with running(build("retained")) as program:
        words = ["gdb", "-nx", "-q", "-batch", "-p", str(program.pid), "-ex", f"source {ROOT / 'gdb_init.py'}"]
        words += ["-ex", f"source {tmp_path / 'ctrl_c.py'}"]
        words += ["-ex", f"heap retained --json --output {cut}", "-ex", f"heap retained --json --output {whole}"]
        said = run_gdb(words)
    assert cut.exists() and whole.exists(), said
    known, all_of_it = (json.loads(file.read_text()) for file in (cut, whole))
    stopped = "stopped by Ctrl-C before all was known"
    assert any(note.startswith(stopped) for note in known["notes"])
    assert not any(note.startswith(stopped) for note in all_of_it["notes"])
    for what in ("bytes", "blocks"):
        assert known["totals"][what] == all_of_it["totals"][what]
    retained = {row["holder"]: row["bytes"] for row in all_of_it["rows"] if row["kind"] != "shared"}
    least = {row["holder"]: row["bytes"] for row in known["rows"] if row["kind"] != "shared"}
    assert {name for name, size in least.items() if size > retained.get(name, 0)} == set()
    assert any(name.startswith("global_list") for name in least)


def test_a_holder_many_blocks_below_its_variable_is_told_by_that_variable(tmp_path):
    program, before = build("deep_holder", "-O0", "-g0"), tmp_path / "before"
    get_there = ["break inspected", "run", f"heap snapshot {before}", "continue"]
    rows = ask([str(program)], [f"heap diff {before}"], get_there=get_there)[f"heap diff {before}"]["rows"]
    told = {row["holder"]: row["grown_bytes"] for row in rows if row["grown_bytes"]}
    assert (told["server->…->+0x28"], told["server->…->+0x30"]) == (1800 * 0x140, 600 * 0x200)
    assert not [name for name in told if "block 0x" in name]
