"""What freed blocks leave behind, links to malloc's own arena, makes no block alike another: held against the program's
own words."""

from __future__ import annotations

from gdbheap.elf.debug_search import DebugSearch
from gdbheap.session.block_types import block_types
from support.core_debugger import core_target
from support.programs import build
from support.type_ledger import typed_core


def test_links_to_mallocs_arena_name_nothing(tmp_path):
    core, truth = typed_core(build("types_stale", "-O0"), tmp_path)
    types = block_types(core_target(str(core), str(tmp_path), DebugSearch()))
    names = {start: types.name(block) for block, start in enumerate(types.start.tolist())}
    assert {names[address] for address, each in truth.items() if each.type == "struct mark"} == {"struct mark"}
    assert not any("mark" in names[address] for address, each in truth.items() if each.type == "text")
