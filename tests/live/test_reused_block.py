"""`fault` on a use after free whose block is somebody else's by now: who has it as what."""

from __future__ import annotations

import json

import pytest

from support.gdb_runs import ROOT, kept_symbols, run_gdb
from support.programs import build


@pytest.mark.parametrize("flags", [("-O0",), ("-O2",), ("-m32",)], ids=["O0", "O2", "i386"])
def test_who_has_the_block_as_what_is_told_where_it_is_two_things(tmp_path, flags):
    program = build("reused_block", *flags)
    lines = ["set confirm off", f"source {ROOT / 'gdb_init.py'}", *kept_symbols(program)]
    for cause in ("reused", "header"):
        lines += [f"run {cause}", f"fault --json --output {tmp_path}/{cause}"]
        lines += ["print (long)stale == (long)server.current && stale", "kill"]
    text = run_gdb(["gdb", "-nx", "-q", "-batch", *(word for line in lines for word in ("-ex", line)), str(program)])
    first = json.loads((tmp_path / "reused").read_text())["rows"][0]
    assert "$1 = 1\n" in text
    held = {each["type"]: set(each["holders"]) for each in first["facts"] if each["kind"] == "held_as"}
    assert held.keys() == {"struct session", "struct request"}
    assert "stale" in held["struct session"] and held["struct request"] == {"server.current"}
    block = next(each["block"] for each in first["facts"] if each["kind"] == "reused")
    assert first["next"][0] == f"heap owners {block}"
    kinds = {each["kind"] for row in json.loads((tmp_path / "header").read_text())["rows"] for each in row["facts"]}
    assert not kinds & {"held_as", "reused"}
