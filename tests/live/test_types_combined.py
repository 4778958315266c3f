"""Blocks of C++ programs that are more than one object, and what lies behind a base class: held against the program's
own words."""

from __future__ import annotations

import re

import pytest

from gdbheap.types.short_names import short_name
from support.gdb_runs import ask
from support.programs import build
from support.type_ledger import read_types, score

EVERY = "heap types --blocks"


@pytest.mark.parametrize("flags", [("-O0",), ("-O2",)], ids=" ".join)
def test_what_a_block_has_in_front_of_its_object_is_said_with_its_name(flags):
    answers = ask([str(build("types_combined", "-std=c++17", *flags))], [EVERY], get_there=("break inspected", "run"))
    rows = [
        (
            int(row["mem"], 16),
            re.sub(
                r"^unsigned int\[\d+\]", "unsigned int[]", short_name(row["type"] or "").replace("Value*", "Value *")
            ),
            row,
        )
        for row in answers[EVERY]["rows"]
    ]
    found = score(
        read_types(answers.text), "reachable", [(mem, name, row["confidence"] or "") for mem, name, row in rows]
    )
    assert found.wrong == {}
    assert found.unnamed == []
    assert found.total > 200
