"""Programs of which little is known beforehand. What a kernel's like keeps behind void * has the type that functions a
step away know it by; a library of its own has its own containers; and lost blocks have the type of others that look
like them a few steps deep. Held against the programs' own words."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from gdbheap.types.short_names import short_name
from support.gdb_runs import ask
from support.programs import build
from support.type_ledger import read_types, score

BUILDS = {"-O0": ("-O0",), "-O2": ("-O2",), "32-bit": ("-O1", "-m32")}
LOST = {"types_devices": 0.95, "types_own": 0.85}


def plain(name: str) -> str:
    """What compilers write in different ways is left out."""
    name = re.sub(r"^base::Fn<.*>::Of<.*", "fn", short_name(name.replace("> >", ">>")))
    name = re.sub(r"\[\d*\]$", "[]", name.replace("short unsigned int", "unsigned short"))
    return name.replace(" *", "*")


@pytest.fixture(scope="module", params=[(name, build) for name in LOST for build in BUILDS], ids=" ".join)
def scores(request):
    """Return the program, and the scores of one build's reachable blocks and of its lost ones."""
    name, flags = request.param
    program = build(name, *BUILDS[flags])
    answers = ask([str(program)], ["heap types --blocks"], get_there=("break inspected", "run"))
    rows = [
        (int(row["mem"], 16), plain(row["type"] or ""), row["confidence"] or "")
        for row in answers["heap types --blocks"]["rows"]
    ]
    told = read_types(answers.text).items()
    truth = {address: replace(each, type=plain(each.type)) for address, each in told}
    return name, score(truth, "reachable", rows), score(truth, "lost", rows)


def test_no_name_is_wrong(scores):
    _, reachable, lost = scores
    assert [{sure: each.wrong[sure] for sure in each.wrong if sure != "possible"} for each in (reachable, lost)] == [
        {},
        {},
    ]


def test_nearly_all_has_a_name(scores):
    name, reachable, lost = scores
    assert reachable.total > 700 and lost.total > 700
    assert reachable.named >= 0.98, reachable.unnamed
    assert lost.named >= LOST[name], lost.unnamed
