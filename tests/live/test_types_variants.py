"""Lost objects that hold a std::variant are known by what that holds, as its index says: held against the program's own
words."""

from __future__ import annotations

from gdbheap.analysis.types.block_types import Confidence
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.session.block_types import block_types
from gdbheap.types.short_names import short_name
from support.core_debugger import core_target
from support.programs import build
from support.type_ledger import score, typed_core


def test_lost_values_are_named_by_what_their_variants_hold(tmp_path):
    core, truth = typed_core(build("types_variants", "-std=c++17", "-O0"), tmp_path)
    types = block_types(core_target(str(core), str(tmp_path), DebugSearch()))
    answers = [
        (
            start,
            short_name(types.name(block)).replace("> >", ">>"),
            Confidence(int(types.confidence[block])).label,
        )
        for block, start in enumerate(types.start.tolist())
    ]
    found = score(truth, "lost", answers)
    assert found.wrong == {}
    assert found.unnamed == []
