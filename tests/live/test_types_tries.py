"""Nodes of tries (letters, then pointers, in one block) and a large array, held against what the program itself says of
its blocks."""

from __future__ import annotations

import pytest

from gdbheap.analysis.types.block_types import Confidence
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.session.block_types import block_types
from support.core_debugger import core_target
from support.programs import build
from support.type_ledger import score, typed_core

BUILDS = {"-O0": ("-O0",), "-O2": ("-O2",), "32-bit": ("-O1", "-m32")}


@pytest.mark.parametrize("name", BUILDS)
def test_nodes_are_named_by_how_letters_and_pointers_lie_and_nothing_else_is(name, tmp_path):
    core, truth = typed_core(build("types_tries", *BUILDS[name]), tmp_path)
    types = block_types(core_target(str(core), str(tmp_path), DebugSearch()))
    answers = [
        (start, types.name(block), Confidence(int(types.confidence[block])).label)
        for block, start in enumerate(types.start.tolist())
    ]
    for fate in ("reachable", "lost"):
        found = score(truth, fate, answers)
        nodes = [each for each in truth.values() if each.fate == fate and each.type == "struct node"]
        assert found.unnamed.count("struct node") <= 0.05 * len(nodes), (fate, found.unnamed)
        assert not {"struct slot[]", "char[]"} & set(found.unnamed)
        assert found.wrong == {}
