"""What storage engines and interpreters keep behind void *, marked pointers and handles, and what only its words tell,
held against what the program itself says of its blocks."""

from __future__ import annotations

import pytest

from gdbheap.analysis.types.block_types import Confidence
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.session.block_types import block_types
from support.core_debugger import core_target
from support.programs import build
from support.type_ledger import score, typed_core

# Which part of the reachable blocks, and of the lost ones, has a right name at least. (In 32 bits more types have one
# size.)
NAMED = {"-O0": (0.97, 0.95), "-O2": (0.97, 0.95), "32-bit": (0.9, 0.7)}
BUILDS = {"-O0": ("-O0",), "-O2": ("-O2",), "32-bit": ("-O1", "-m32")}


PROGRAMS = [("types_stores", each) for each in BUILDS] + [("types_words", each) for each in BUILDS]


@pytest.fixture(scope="module", params=PROGRAMS, ids=lambda each: " ".join(each))
def scores(request, tmp_path_factory):
    """Return the build, and the scores of the program's reachable blocks and of its lost ones."""
    directory = tmp_path_factory.mktemp("types")
    program, build_name = request.param
    core, truth = typed_core(build(program, *BUILDS[build_name]), directory)
    types = block_types(core_target(str(core), str(directory), DebugSearch()))
    answers = [
        (start, types.name(block), Confidence(int(types.confidence[block])).label)
        for block, start in enumerate(types.start.tolist())
    ]
    return build_name, (score(truth, "reachable", answers), score(truth, "lost", answers))


def test_most_blocks_have_a_name(scores):
    build_name, found = scores
    assert [each.named >= part for each, part in zip(found, NAMED[build_name])] == [True, True], [
        (each.named, sorted(set(each.unnamed))) for each in found
    ]


def test_names_are_right_as_far_as_they_say(scores):
    for each in scores[1]:
        assert each.wrong.get("certain", []) == []
        assert each.precision("likely") >= 0.97, each.wrong
