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


# Which part of the reachable blocks, and of the lost ones, has a right name at least. (In 32 bits fewer sizes and
# places differ, so less is told by what a lost block points to.)
NAMED = {"-O0": (0.95, 0.85), "-O2": (0.95, 0.85), "32-bit": (0.94, 0.6)}


def test_most_blocks_have_a_name(scores, request):
    least = NAMED[request.node.callspec.id]
    assert [each.named >= part for each, part in zip(scores, least)] == [True, True], [each.named for each in scores]


def test_names_are_right_as_far_as_they_say(scores):
    for each in scores:
        assert each.wrong.get("certain", []) == []
        assert each.precision("likely") >= 0.97, each.wrong


# (In 32 bits more types have the same size, and what is lost looks like much else.)
HARD_KINDS = (
    "leaf",
    "branch",
    "name",
    "volume",
    "duty",
    "cell",
    "watch",
    "literal",
    "binary",
    "call",
    "lookup",
    "notice",
    "handle",
    "place",
    "catalog",
    "option",
)


def test_marked_pointers_names_behind_links_lists_of_anything_and_callbacks_are_no_obstacle(scores, request):
    reachable, lost = scores
    in_32_bits = request.node.callspec.id == "32-bit"
    for each in [reachable] if in_32_bits else [reachable, lost]:
        missed = {name.split()[-1] for name in (*each.unnamed, *each.wrong.get("likely", ()))}
        assert missed & set(HARD_KINDS[: 6 if in_32_bits else None]) == set()


@pytest.mark.parametrize("options", [("-O1",), ("-O1", "-m32")], ids=["64-bit", "32-bit"])
def test_a_header_of_the_programs_own_malloc_is_no_part_of_its_types(tmp_path, options):
    core, truth = typed_core(build("types_behind", *options), tmp_path)
    types = block_types(core_target(str(core), str(tmp_path), DebugSearch()))
    answers = [
        (start, types.name(block), Confidence(int(types.confidence[block])).label)
        for block, start in enumerate(types.start.tolist())
    ]
    found = score(truth, "reachable", answers)
    assert (found.wrong, found.unnamed, found.named) == ({}, [], 1)
