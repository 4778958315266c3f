"""Unions that hold arrays of further unions, lists that begin in a variable: what each block is, by the program's own
words, and that all of it is held."""

from __future__ import annotations

import pytest

from gdbheap.analysis.leaks.leaks import LeakKind
from gdbheap.analysis.types.block_types import Confidence
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.session.block_types import block_types
from gdbheap.session.judged_blocks import judged_blocks
from support.core_debugger import core_target
from support.programs import build
from support.type_ledger import score, typed_core

BUILDS = {"-O0": ("-O0",), "-O2": ("-O2",), "32-bit": ("-O1", "-m32")}


@pytest.fixture(scope="module", params=BUILDS.values(), ids=BUILDS)
def core(request, tmp_path_factory):
    """Return a core's target and what the program says of its blocks."""
    directory = tmp_path_factory.mktemp("values")
    file, truth = typed_core(build("types_values", *request.param), directory)
    return core_target(str(file), str(directory), DebugSearch()), truth


def test_the_blocks_have_their_types(core):
    target, truth = core
    types = block_types(target)
    answers = [
        (start, types.name(block), Confidence(int(types.confidence[block])).label)
        for block, start in enumerate(types.start.tolist())
    ]
    found = score(truth, "reachable", answers)
    assert found.wrong.get("certain", []) == []
    assert found.precision("likely") >= 0.97, found.wrong
    assert found.named >= 0.97, (found.unnamed[:20], found.wrong)


def test_none_of_them_is_lost_or_possibly_so(core):
    target, truth = core
    leaks = judged_blocks(target)
    starts = leaks.held.blocks.start.tolist()
    verdicts = {start: LeakKind(int(leaks.verdict[block])) for block, start in enumerate(starts)}
    assert {truth[start].type for start in truth if verdicts[start] is not LeakKind.STILL_REACHABLE} == set()
