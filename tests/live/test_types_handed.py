"""What callbacks are handed has the type that they know it by: in gdb, and without gdb, held against the program's own
words."""

from __future__ import annotations

import pytest

from gdbheap.analysis.types.block_types import Confidence
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.session.block_types import block_types
from support.core_debugger import core_target
from support.gdb_runs import ask
from support.programs import build
from support.type_ledger import read_types, score

BUILDS = {"-O0": ("-O0",), "-O2": ("-O2",), "32-bit": ("-O1", "-m32")}


@pytest.fixture(scope="module", params=BUILDS.values(), ids=BUILDS)
def answers(request, tmp_path_factory):
    """Return the rows (address, name, confidence) of gdb and of a core read without it, and what the program says."""
    directory = tmp_path_factory.mktemp("handed")
    core, output = directory / "core", directory / "output"
    answer = ask(
        [str(build("types_handed", *request.param))],
        ["heap types --blocks"],
        get_there=["set debuginfod enabled off", f"set args < /dev/null > {output}", "break inspected", "run"],
        then=[f"generate-core-file {core}"],
    )
    rows = answer.json["heap types --blocks"]["rows"]
    of_gdb = [(int(row["mem"], 16), row["type"] or "", row["confidence"]) for row in rows]
    types = block_types(core_target(str(core), str(directory), DebugSearch()))
    of_core = [
        (start, types.name(block), Confidence(int(types.confidence[block])).label)
        for block, start in enumerate(types.start.tolist())
    ]
    return of_gdb, of_core, read_types(output.read_text())


def test_what_callbacks_and_operations_are_handed_has_a_name(answers):
    of_gdb, of_core, truth = answers
    for rows in (of_gdb, of_core):
        found = score(truth, "reachable", rows)
        assert (found.unnamed, found.wrong) == ([], {})
        assert found.total == len(truth) > 200


# The passes get a real SIGINT when typed pointers have told all, and go on for a while if nothing comes of that.
CTRL_C = """
import os, signal, time
from gdbheap.analysis.types import find_types
whole = find_types.brothers

def interrupted(*words):
    find_types.brothers = whole
    os.kill(os.getpid(), signal.SIGINT)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        pass
    return whole(*words)

find_types.brothers = interrupted
"""


def test_ctrl_c_keeps_the_types_that_are_known(tmp_path):
    (tmp_path / "ctrl_c.py").write_text(CTRL_C)
    get_there = ("set debuginfod enabled off", "set args < /dev/null", "break inspected", "run")
    get_there = (*get_there, f"source {tmp_path / 'ctrl_c.py'}")
    cut, whole = "heap types --blocks --type stream", "heap types --blocks"
    answers = ask([str(build("types_handed"))], [cut, whole], get_there=get_there)
    stopped = "stopped by Ctrl-C: only the types found until then are known"
    assert [note.startswith(stopped) for note in answers[cut]["notes"]] == [True]
    assert not any(note.startswith(stopped) for note in answers[whole]["notes"])
    types = {row["mem"]: row["type"] for row in answers[whole]["rows"]}
    known = {row["mem"]: row["type"] for row in answers[cut]["rows"]}
    assert len(known) == 40 and known.items() <= types.items()
    assert None not in types.values()
