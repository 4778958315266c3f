"""The commands that `heap check` gives catch the write, when they are typed into a rerun."""

from __future__ import annotations

import json

import pytest

from support.gdb_runs import ROOT, run_gdb
from support.programs import build

CATCH = """
import json
gdb.execute("break broken")
gdb.execute("run {case} > /dev/null 2>&1")
gdb.execute("heap check --json --output {output}.found", to_string=True)
watch = json.load(open("{output}.found"))["rows"][0]["watch"]
gdb.execute("break three")
gdb.execute("run {case} > /dev/null 2>&1")
gdb.execute("finish", to_string=True)
gdb.execute(watch)
gdb.execute("continue")
frame = gdb.newest_frame()
while frame is not None and frame.name() != "{case}":
    frame = frame.older()
json.dump([frame.name() if frame else "", frame.find_sal().line if frame else 0], open("{output}", "w"))
"""


@pytest.mark.parametrize("case", ["while_consolidating", "unsorted_prev_inuse", "double_linked", "unsorted_size"])
def test_the_watchpoint_stops_in_the_function_that_breaks_the_heap(case, tmp_path):
    script = tmp_path / "catch.py"
    script.write_text(CATCH.format(case=case, output=tmp_path / "told"))
    words = ["gdb", "-nx", "-q", "-batch", "-ex", "set confirm off", "-ex", f"source {ROOT / 'gdb_init.py'}"]
    text = run_gdb([*words, "-ex", f"source {script}", str(build("corrupt"))], patience=120)
    function, line = json.loads((tmp_path / "told").read_text())
    source = (ROOT / "fixtures" / "programs" / "corrupt.c").read_text().split("\n")
    start = source.index(f"static void {case}(void) {{") + 1
    assert function == case, text
    assert start < line <= start + 9
