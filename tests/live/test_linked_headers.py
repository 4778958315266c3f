"""Blocks with linked headers of the program's own in front (linked_headers.c), as talloc's and Samba's are: what is
lost, what has which type, and who owns a block, by the members behind the headers."""

from __future__ import annotations

import pytest

from support.gdb_runs import ask
from support.programs import build

NAME = "first->members->name"


@pytest.fixture(scope="module")
def answers():
    commands = ["heap leaks", "heap types", f"heap owners {NAME}", f"explain {NAME}"]
    return ask([str(build("linked_headers"))], commands, get_there=("break inspected", "run"))


def test_only_what_is_lost_is_called_lost(answers):
    lost = {"definitely_lost": 0, "indirectly_lost": 0, "possibly_lost": 0}
    for row in answers["heap leaks"]["rows"]:
        if row["kind"] in lost:
            lost[row["kind"]] += row["count"]
    # An old word may still lead to the last one.
    assert sum(lost.values()) in (9, 10)
    assert lost["definitely_lost"] >= 9


def test_blocks_have_the_types_behind_their_headers(answers):
    count = {row["type"]: row["count"] for row in answers["heap types"]["rows"]}
    assert count["struct user"] > 800
    # Some are known by the name in their header alone.
    assert sum(count.get(name, 0) for name in ("struct user", "talloc struct user")) == 1000
    assert sum(count.get(name, 0) for name in ("struct group", "talloc struct group")) == 20


def test_an_owner_is_told_by_the_member_that_points_behind_the_header(answers):
    holders = [row["holder"] for row in answers[f"heap owners {NAME}"]["rows"]]
    assert any("struct user.name" in holder for holder in holders), holders
