"""What C++ programs keep in raw bytes of their own, behind headers, behind a base class or an erased type: held against
the program's own words."""

from __future__ import annotations

import re

import pytest

from gdbheap.types.short_names import short_name
from support.gdb_runs import ask
from support.programs import build
from support.type_ledger import read_types, score

EVERY = "heap types --blocks"


@pytest.mark.parametrize("flags", [("-O0",), ("-O2",)], ids=" ".join)
def test_objects_are_found_wherever_the_program_put_them(flags):
    answers = ask([str(build("types_storage", "-std=c++17", *flags))], [EVERY], get_there=("break inspected", "run"))
    rows = [
        (
            int(row["mem"], 16),
            re.sub(r"^double\[\d+\]", "double[]", short_name(row["type"] or "")).replace("Leaf*", "Leaf *"),
            row["confidence"] or "",
        )
        for row in answers[EVERY]["rows"]
    ]
    found = score(read_types(answers.text), "reachable", rows)
    assert found.wrong == {}
    assert found.unnamed == []
    assert found.total > 1000
