"""Frames of coroutines are called after their coroutine, reachable and lost, in gdb and without it, held against the
program's own words."""

from __future__ import annotations

import pytest

from gdbheap.analysis.types.block_types import Confidence
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.session.block_types import block_types
from support.core_debugger import core_target
from support.gdb_runs import ask
from support.programs import build
from support.type_ledger import read_types

FLAGS = ("-std=c++20", "-fcoroutines")
BUILDS = {"-O0": ("-O0",), "-O2": ("-O2",), "32-bit": ("-O1", "-m32")}


@pytest.fixture(scope="module", params=BUILDS.values(), ids=BUILDS)
def answers(request, tmp_path_factory):
    """Return {address: (name, confidence)} of gdb and of a core read without it, and what the program says."""
    directory = tmp_path_factory.mktemp("coroutines")
    core, output = directory / "core", directory / "output"
    answer = ask(
        [str(build("coroutines", *FLAGS, *request.param))],
        ["heap types --blocks"],
        get_there=["set debuginfod enabled off", f"set args < /dev/null > {output}", "break inspected", "run"],
        then=[f"generate-core-file {core}"],
    )
    rows = answer.json["heap types --blocks"]["rows"]
    of_gdb = {int(row["mem"], 16): (row["type"] or "", row["confidence"]) for row in rows}
    types = block_types(core_target(str(core), str(directory), DebugSearch()))
    of_core = {
        start: (types.name(block), Confidence(int(types.confidence[block])).label)
        for block, start in enumerate(types.start.tolist())
    }
    return of_gdb, of_core, read_types(output.read_text())


def test_frames_are_called_after_their_coroutine(answers):
    of_gdb, of_core, truth = answers
    frames = {address: told.type for address, told in truth.items() if "(" in told.type}
    assert len(frames) == 30
    expected = {address: (f"coroutine frame of {name}", "certain") for address, name in frames.items()}
    assert {
        address: (name.replace(" *", "*"), sure) for address, (name, sure) in of_gdb.items() if address in frames
    } == (expected)
    assert {
        address: (name.replace(" *", "*"), sure) for address, (name, sure) in of_core.items() if address in frames
    } == (expected)


def test_what_a_frame_holds_is_named_by_its_members(answers):
    of_gdb, of_core, truth = answers
    packets = {address for address, told in truth.items() if told.type == "Packet"}
    assert len(packets) == 10
    assert {names[address][0] for names in (of_gdb, of_core) for address in packets} == {"Packet"}
