"""Two kinds of lost blocks that look alike: what holds one of them tells which it is; and what begins with the header
of another kind is not taken for that. Held against the program's own words."""

from __future__ import annotations

from gdbheap.analysis.types.block_types import Confidence
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.session.block_types import block_types
from support.core_debugger import core_target
from support.programs import build
from support.type_ledger import score, typed_core


def test_what_holds_a_lost_block_knows_it_better_than_what_it_looks_like(tmp_path):
    core, truth = typed_core(build("types_disputed", "-O0"), tmp_path)
    types = block_types(core_target(str(core), str(tmp_path), DebugSearch()))
    answers = [
        (start, types.name(block), Confidence(int(types.confidence[block])).label)
        for block, start in enumerate(types.start.tolist())
    ]
    assert score(truth, "reachable", answers).wrong == {}
    found = score(truth, "lost", answers)
    assert found.wrong == {}
    assert not {"struct header", "struct letter"} & set(found.unnamed)
