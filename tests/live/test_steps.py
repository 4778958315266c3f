"""A heap stopped inside malloc or free, after every few instructions, never has a fault: what is unfinished is told
as such."""

from __future__ import annotations

import json

import pytest

from support.gdb_runs import ROOT, kept_symbols, run_gdb
from support.programs import build

CALLS = (
    *("malloc_small", "malloc_split", "malloc_top", "malloc_grow", "malloc_mmap"),
    *("free_small", "free_merge", "free_top", "free_mapped"),
    *("realloc_grow", "realloc_shrink", "realloc_mapped"),
    *("calloc_bin", "calloc_top", "memalign", "trim"),
)
# How many stops at most in one call, and instructions from one to the next: odd, and each call has its own, so that
# they do not stop at the same.
STOPS, STRIDES = 12, (5, 9, 13, 17, 23)

STEPPING = """
import json
told = {{}}
for index, call in enumerate({calls}):
    gdb.execute("tbreak begin")
    gdb.execute(f"run {{call}} {arena} > /dev/null 2>&1", to_string=True)
    gdb.execute("finish", to_string=True)
    stops = told.setdefault(call, [])
    for stop in range({stops}):
        frame = gdb.newest_frame()
        if frame.name() == "end":
            break
        gdb.execute("heap check --json --output {output}.one", to_string=True)
        answer = json.load(open("{output}.one"))
        stops.append([frame.name() or "", len(answer["faults"]), answer["totals"]["transient"],
        any("mid-operation" in note for note in answer["notes"])])
        gdb.execute(f"stepi {{ {strides}[index % {cycle}] }}", to_string=True)
json.dump(told, open("{output}", "w"))
"""


@pytest.mark.parametrize("arena", ["main", "other"])
@pytest.mark.parametrize("flags", [pytest.param((), id="64"), pytest.param(("-m32",), id="32")])
def test_no_instruction_of_any_call_leaves_a_fault(flags, arena, tmp_path):
    program, script = build("steps", *flags), tmp_path / "stepping.py"
    other = "" if arena == "main" else "other"
    script.write_text(
        STEPPING.format(
            calls=CALLS, arena=other, output=tmp_path / "told", stops=STOPS, strides=STRIDES, cycle=len(STRIDES)
        )
    )
    lines = ["set confirm off", f"source {ROOT / 'gdb_init.py'}", *kept_symbols(program), f"source {script}"]
    words = ["gdb", "-nx", "-q", "-batch"]
    for line in lines:
        words += ["-ex", line]
    text = run_gdb([*words, str(program)], patience=300)
    told = json.loads((tmp_path / "told").read_text())
    assert set(told) == set(CALLS), text
    assert [call for call, stops in told.items() if len(stops) <= 3] == [], text
    assert [(call, stop) for call, stops in told.items() for stop in stops if stop[1]] == []
    assert all(busy for stops in told.values() for _, _, transient, busy in stops if transient)
