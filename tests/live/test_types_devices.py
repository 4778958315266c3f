"""What a kernel's like keeps behind void * has the type that functions a step away know it by, and lost blocks have
that of others which look like them a few steps deep, held against the program's own words."""

from __future__ import annotations

import pytest

from gdbheap.types.short_names import short_name
from support.gdb_runs import ask
from support.programs import build
from support.type_ledger import read_types, score

BUILDS = {"-O0": ("-O0",), "-O2": ("-O2",), "32-bit": ("-O1", "-m32")}


@pytest.fixture(scope="module", params=BUILDS.values(), ids=BUILDS)
def scores(request):
    """Return the scores of one build's reachable blocks and of its lost ones."""
    program = build("types_devices", *request.param)
    answers = ask([str(program)], ["heap types --blocks"], get_there=("break inspected", "run"))
    truth = read_types(answers.text)
    rows = [
        (int(row["mem"], 16), short_name(row["type"] or ""), row["confidence"] or "")
        for row in answers["heap types --blocks"]["rows"]
    ]
    return score(truth, "reachable", rows), score(truth, "lost", rows)


def test_no_name_is_wrong(scores):
    assert [each.wrong for each in scores] == [{}, {}]


def test_nearly_all_has_a_name(scores):
    reachable, lost = scores
    assert reachable.total > 700 and lost.total > 700
    assert reachable.named >= 0.98, reachable.unnamed
    assert lost.named >= 0.95, lost.unnamed
