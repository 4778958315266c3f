"""Objects inside blocks that are more than those: blocks are called by them, what they lead to has a type, and what is
no array of a type is not called one."""

from __future__ import annotations

import pytest

from support.gdb_runs import ask
from support.programs import build
from support.type_ledger import read_types, score

BUILDS = {"-O0": ("-O0",), "-O2": ("-O2",)}


@pytest.fixture(scope="module", params=BUILDS.values(), ids=BUILDS)
def answers(request, tmp_path_factory):
    """Return gdb's answers and what the program says."""
    output = tmp_path_factory.mktemp("inside") / "output"
    answer = ask(
        [str(build("types_inside", *request.param))],
        ["heap types --blocks", "heap types", "heap check --types"],
        get_there=["set debuginfod enabled off", f"set args < /dev/null > {output}", "break inspected", "run"],
        then=["heap owners journal->entries->first", "explain &cursors->page->dirty"],
    )
    return answer, read_types(output.read_text())


def test_blocks_with_objects_in_them_and_what_these_lead_to_have_names(answers):
    answer, truth = answers
    rows = answer.json["heap types --blocks"]["rows"]
    found = score(truth, "reachable", ((int(row["mem"], 16), row["type"] or "", row["confidence"]) for row in rows))
    assert (found.unnamed, found.wrong) == ([], {})
    assert found.total == len(truth) > 100


def test_such_blocks_are_one_group_and_none_is_a_misfit(answers):
    answer, _ = answers
    groups = {row["type"]: row["count"] for row in answer.json["heap types"]["rows"]}
    assert groups["block with struct head"] == 24
    assert answer.json["heap check --types"]["totals"]["misfits"]["count"] == 0


def test_members_of_objects_inside_are_told_by_name(answers):
    answer, _ = answers
    assert "struct entries.first" in answer.text
    assert "4,144 bytes into a live block, likely block with struct head at +0x1000 (struct page.dirty)" in answer.text


def test_a_unions_member_is_the_one_that_its_pointer_goes_with(answers):
    answer, _ = answers
    rows = answer.json["heap types --blocks"]["rows"]
    roles = {(row["role"], row["type"]) for row in rows if "choice.u." in (row["role"] or "")}
    assert roles == {
        ("struct choice.u.inner.label", "struct label"),
        ("struct choice.u.leaf.cursor", "struct cursor"),
    }
