"""A heap stopped inside malloc or free, after every few instructions, never has a fault: what is unfinished is told as such."""

from __future__ import annotations

import json

import pytest
from gdb_runs import ROOT, run_gdb
from programs import build

CALLS = (
    "malloc_small",
    "malloc_split",
    "malloc_top",
    "malloc_grow",
    "malloc_mmap",
    "free_small",
    "free_merge",
    "free_top",
    "realloc_grow",
    "memalign",
)
# How many stops at most, and instructions from one to the next: odd, so that the stops of one call are not those of another.
STOPS, STRIDE = 60, 7

STEPPING = """
import json
gdb.execute("tbreak begin")
gdb.execute("run {arguments} > /dev/null 2>&1")
gdb.execute("finish")
told = []
for stop in range({stops}):
    frame = gdb.newest_frame()
    if frame.name() == "end":
        break
    gdb.execute("heap check --json --output {output}.one", to_string=True)
    answer = json.load(open("{output}.one"))
    told.append([frame.name() or "", len(answer["faults"]), answer["totals"]["transient"], any("mid-operation" in note for note in answer["notes"])])
    gdb.execute("stepi {stride}", to_string=True)
json.dump(told, open("{output}", "w"))
"""


@pytest.mark.parametrize("arena", ["main", "other"])
@pytest.mark.parametrize("call", CALLS)
def test_no_instruction_of_a_call_leaves_a_fault(call, arena, tmp_path):
    arguments = call if arena == "main" else f"{call} other"
    script = tmp_path / "stepping.py"
    script.write_text(STEPPING.format(arguments=arguments, output=tmp_path / "told", stops=STOPS, stride=STRIDE))
    words = ["gdb", "-nx", "-q", "-batch", "-ex", "set confirm off", "-ex", f"source {ROOT / 'gdb_init.py'}"]
    text = run_gdb([*words, "-ex", f"source {script}", str(build("steps"))], patience=120)
    told = json.loads((tmp_path / "told").read_text())
    assert len(told) > 3, text
    assert [stop for stop in told if stop[1]] == []
    assert all(busy for _, _, transient, busy in told if transient)
