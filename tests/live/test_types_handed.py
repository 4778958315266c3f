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
