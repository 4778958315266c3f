"""What the blocks of a C++ program are, held against what the program itself says of them: containers, inheritance of
every kind, smart pointers, function objects."""

from __future__ import annotations

import re

import pytest

from gdbheap.types.short_names import short_name
from support.gdb_runs import ask
from support.programs import build
from support.type_ledger import read_types, score

EVERY = "heap types --blocks"
BUILDS = {"-O0": ("-O0",), "-O2": ("-O2",), "32-bit": ("-O1", "-m32")}


def plain(name: str) -> str:
    """What compilers and the library's releases write in different ways is left out."""
    name = short_name(re.sub(r"\[\d*\]$", "[]", name.replace("> >", ">>").replace("> >", ">>")))
    name = "closure" if name.endswith("{lambda(int)#1}") else name
    name = name.replace("long unsigned int", "unsigned long").replace("long int", "long")
    return re.sub(r"\b(\w[\w:]*) const\b", r"const \1", name).replace(" ", "")


@pytest.fixture(scope="module", params=BUILDS.values(), ids=BUILDS)
def scores(request):
    """Return the scores of the program's reachable blocks and of its lost ones."""
    program = build("types_cxx", "-std=c++17", *request.param)
    answers = ask([str(program)], (EVERY,), get_there=("break inspected", "run"))
    truth = {address: type(told)(plain(told.type), told.fate) for address, told in read_types(answers.text).items()}
    rows = [(int(row["mem"], 16), plain(row["type"] or ""), row["confidence"] or "") for row in answers[EVERY]["rows"]]
    return score(truth, "reachable", rows), score(truth, "lost", rows)


def test_names_are_right_as_far_as_they_say(scores):
    for each in scores:
        assert each.wrong.get("certain", []) == []
        assert each.precision("likely") >= 0.97, each.wrong


def test_what_is_reachable_is_named(scores):
    reachable, _ = scores
    assert reachable.total > 800
    assert reachable.named >= 0.98, reachable.unnamed
