"""How many elements arrays have is told by what lies beside the pointers to them, and not by malloc's room alone: held
against the program's own words."""

from __future__ import annotations

import pytest

from gdbheap.elf.debug_search import DebugSearch
from gdbheap.session.block_types import block_types
from support.core_debugger import core_target
from support.programs import build
from support.type_ledger import typed_core


@pytest.mark.parametrize("flags", [("-O0",), ("-O1", "-m32")], ids=["64-bit", "32-bit"])
def test_arrays_have_as_many_elements_as_what_lies_beside_says(flags, tmp_path):
    core, truth = typed_core(build("types_counts", *flags), tmp_path)
    types = block_types(core_target(str(core), str(tmp_path), DebugSearch()))
    told = {start: types.name(block) for block, start in enumerate(types.start.tolist())}
    arrays = {address: each.type for address, each in truth.items() if each.type.endswith("]")}
    assert len(arrays) == 3 * 24 + 1
    assert {(told[address], name) for address, name in arrays.items() if told[address] != name} == set()
