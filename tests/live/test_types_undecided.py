"""Lost nodes that are of several types as well: none is told as the likely one, and nothing that only looks alike is,
held against the program's own words."""

from __future__ import annotations

from gdbheap.analysis.types.block_types import Confidence
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.session.block_types import block_types
from gdbheap.types.short_names import short_name
from support.core_debugger import core_target
from support.programs import build
from support.type_ledger import typed_core


def test_nodes_that_go_with_several_types_are_likely_none_of_them(tmp_path):
    core, truth = typed_core(build("types_undecided", "-std=c++17"), tmp_path)
    types = block_types(core_target(str(core), str(tmp_path), DebugSearch()))
    told = {
        start: (short_name(types.name(block)).replace("> >", ">>"), int(types.confidence[block]))
        for block, start in enumerate(types.start.tolist())
    }
    lost = {address: each.type for address, each in truth.items() if each.fate == "lost"}
    assert len(lost) == 8 * 3 * 6
    sure = {address: told[address][0] for address in lost if told[address][1] > Confidence.POSSIBLE}
    assert {(sure[address], lost[address]) for address in sure if sure[address] != lost[address]} == set()
    doubles = [address for address, name in lost.items() if "double" in name]
    assert set(doubles) <= set(sure)
    assert all("Place" in told[each][0] or "Worth" in told[each][0] for each in lost if each not in doubles)
