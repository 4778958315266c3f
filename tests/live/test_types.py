"""What each block is, held against what programs say of their own blocks: cores of them, as gdb writes them."""

from __future__ import annotations

import pytest

from gdbheap.analysis.types.block_types import Confidence
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.session.block_types import block_types
from support.core_debugger import core_target
from support.programs import build
from support.type_ledger import score, typed_core

BUILDS = {"-O0": ("-O0",), "-O2": ("-O2",), "32-bit": ("-O1", "-m32")}


@pytest.fixture(scope="module", params=BUILDS.values(), ids=BUILDS)
def scores(request, tmp_path_factory):
    """Return the scores of the C program's reachable blocks and of its lost ones."""
    directory = tmp_path_factory.mktemp("types")
    core, truth = typed_core(build("types_c", *request.param), directory)
    types = block_types(core_target(str(core), str(directory), DebugSearch()))
    answers = [
        (start, types.name(block), Confidence(int(types.confidence[block])).label)
        for block, start in enumerate(types.start.tolist())
    ]
    return score(truth, "reachable", answers), score(truth, "lost", answers)


def test_names_are_right_as_far_as_they_say(scores):
    for each in scores:
        assert each.wrong.get("certain", []) == []
        assert each.precision("likely") >= 0.97, each.wrong
