"""What a union of many pointers leads to, by the tag beside it: text, numbers and structs are named, bytes that only a
void * leads to are not taken for text. Held against the program's own words."""

from __future__ import annotations

from gdbheap.analysis.types.block_types import Confidence
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.session.block_types import block_types
from support.core_debugger import core_target
from support.programs import build
from support.type_ledger import score, typed_core


def test_each_operand_is_named_by_its_tag_and_bytes_are_no_text(tmp_path):
    core, truth = typed_core(build("types_operands"), tmp_path)
    types = block_types(core_target(str(core), str(tmp_path), DebugSearch()))
    answers = [
        (start, types.name(block).replace("long int", "long"), Confidence(int(types.confidence[block])).label)
        for block, start in enumerate(types.start.tolist())
    ]
    found = score(truth, "reachable", answers)
    assert found.wrong == {}
    # (Nothing but the tag's name tells a simple command from a sum: neither is named.)
    assert set(found.unnamed) <= {"bytes", "struct simple", "struct text", "char[]"}
    assert found.unnamed.count("struct text") <= found.unnamed.count("struct simple")
