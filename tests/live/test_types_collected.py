"""Objects whose header a macro spells in each struct, on one list of all: none is called by the header's name. Held
against the program's own words."""

from __future__ import annotations

import pytest

from gdbheap.analysis.types.block_types import Confidence
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.session.block_types import block_types
from support.core_debugger import core_target
from support.programs import build
from support.type_ledger import score, typed_core

BUILDS = {"-O0": ("-O0",), "-O2": ("-O2",), "32-bit": ("-O1", "-m32")}


@pytest.mark.parametrize("flags", BUILDS.values(), ids=BUILDS)
def test_objects_are_told_by_the_kind_in_their_header(flags, tmp_path):
    core, truth = typed_core(build("types_collected", *flags), tmp_path)
    types = block_types(core_target(str(core), str(tmp_path), DebugSearch()))
    rows = [
        (start, types.name(block), Confidence(int(types.confidence[block])).label)
        for block, start in enumerate(types.start.tolist())
    ]
    found = score(truth, "reachable", rows)
    assert found.total == len(truth) == 3600
    assert ({sure: each[:3] for sure, each in found.wrong.items()}, found.named >= 0.98) == ({}, True)
