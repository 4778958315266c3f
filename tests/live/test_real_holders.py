"""Who holds the memory of programs that nobody here wrote, by name where they have symbols, else by the place in their
data; and who holds what has grown since."""

from __future__ import annotations

import json
import os
import re
import subprocess

from support.gdb_runs import ROOT, ask, run_gdb
from support.programs import kill
from support.real_programs import waiting

# What holds a database: a word of the shell's data, or of the library's where the shell uses that.
DATABASE = re.compile(r"(sqlite3|libsqlite3\.so[\w.]*) \+ 0x[0-9a-f]+$")
FILL = (
    "with recursive n(i) as (select {} union all select i + 1 from n where i < {}) "
    "insert into t select i, hex(i * 1000003) from n;\n.shell echo filled > {}\n"
)


def test_nginx_holds_its_memory_by_ngx_cycle(tmp_path):
    """Its connections are in one array, which epoll's words lead to as well, and each of them to what it needs."""
    held, below, kinds = (f"heap retained{rest}" for rest in ("", " ngx_cycle", " ngx_cycle --by-type"))
    with waiting("nginx worker", tmp_path) as program:
        answers = ask(["-p", str(program.pid)], [held, below, kinds])
        named = [row for row in answers[held]["rows"] if "ngx_cycle" in (row["holder"], row["owner"])]
        largest = [row["example"] for row in answers[below]["rows"] if row["kind"] == "block"][:12]
        asked = [f"heap owners {each}" for each in largest]
        told = ask(["-p", str(program.pid)], asked)
        owners = [told[each] for each in asked]
    assert sum(row["share"] for row in named) > 0.1
    shared = [row for row in answers[below]["rows"] if row["kind"] == "shared"]
    for row in shared:
        inside = [each for each in answers[below]["rows"] if each["within"] == row["holder"]]
        assert sum(each["bytes"] for each in inside) == row["bytes"], row
    assert sum(row["own_bytes"] for row in answers[kinds]["rows"]) == sum(row["bytes"] for row in shared)
    # What the kernel was given for epoll is told behind all memory that lasts.
    watched = [each for each in owners if any(row["kind"] == "kernel" for row in each["rows"])]
    assert watched
    for each in watched:
        ranks = [row["kind"] in ("kernel", "stack", "register") for row in each["rows"]]
        assert ranks == sorted(ranks)
        assert each["totals"]["path"][0].startswith("ngx_cycle in ")


def test_what_has_grown_in_a_database_in_memory_is_its_holders(tmp_path):
    told, filled = tmp_path / "told", tmp_path / "filled"
    os.mkfifo(told)
    os.mkfifo(filled)
    shell = subprocess.Popen(f"exec sqlite3 :memory: < {told}", shell=True, cwd=tmp_path, start_new_session=True)
    try:
        with told.open("w") as pipe:
            pipe.write("create table t(x, y);\n" + FILL.format(1, 2000, filled))
            pipe.flush()
            filled.read_text()
            more = tmp_path / "more.sql"
            more.write_text(FILL.format(2001, 20000, filled))
            words = ["gdb", "-nx", "-q", "-batch", "-ex", f"source {ROOT / 'gdb_init.py'}"]
            for line in (
                *(f"attach {shell.pid}", f"heap snapshot {tmp_path / 'before'}", "detach"),
                f"shell cat {more} > {told} && cat {filled} > /dev/null",
                *(f"attach {shell.pid}", f"heap retained --json --output {tmp_path / 'held'}"),
                *(f"heap snapshot {tmp_path / 'after'}", f"heap diff {tmp_path / 'before'} {tmp_path / 'after'}"),
                f"heap diff {tmp_path / 'before'} {tmp_path / 'after'} --json --output {tmp_path / 'grown'}",
                "detach",
            ):
                words += ["-ex", line]
            text = run_gdb(words, patience=400)
    finally:
        kill(shell)
    assert (tmp_path / "grown").exists(), text
    first = json.loads((tmp_path / "held").read_text())["rows"][0]
    holder = first["owner"] or first["holder"]
    assert DATABASE.match(holder), first
    assert first["share"] > 0.75
    grown = json.loads((tmp_path / "grown").read_text())["rows"][0]
    # Many blocks below the variable it is told by a block on the way.
    assert grown["holder"].startswith((holder, "block 0x")), grown
    assert grown["state"] == "held"
    assert grown["appeared"] > 100
    assert grown["grown_bytes"] > 400 << 10
