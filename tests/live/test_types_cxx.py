"""What the blocks of a C++ program are, held against what the program itself says of them: containers, inheritance of
every kind, smart pointers, function objects."""

from __future__ import annotations

import re

import pytest

from gdbheap.types.short_names import short_name
from support.gdb_runs import ask
from support.programs import build
from support.type_ledger import read_types, score

EVERY, CONTAINERS = "heap types --blocks", "heap types --containers"
COUNT = 30  # the program's
BUILDS = {"-O0": ("-O0",), "-O2": ("-O2",), "32-bit": ("-O1", "-m32")}


def plain(name: str) -> str:
    """What compilers and the library's releases write in different ways is left out."""
    name = short_name(re.sub(r"\[\d*\]$", "[]", name.replace("> >", ">>").replace("> >", ">>")))
    name = "closure" if name.endswith("{lambda(int)#1}") else name
    name = name.replace("long unsigned int", "unsigned long").replace("long int", "long")
    return re.sub(r"\b(\w[\w:]*) const\b", r"const \1", name).replace(" ", "")


@pytest.fixture(scope="module", params=BUILDS.values(), ids=BUILDS)
def answers(request):
    """Return what is said of one build of the program."""
    program = build("types_cxx", "-std=c++17", *request.param)
    return ask([str(program)], (EVERY, CONTAINERS), get_there=("break inspected", "run"))


@pytest.fixture(scope="module")
def scores(answers):
    """Return the scores of the program's reachable blocks and of its lost ones."""
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


def test_what_is_lost_is_named_by_what_it_holds(scores):
    _, lost = scores
    assert lost.total > 300
    assert lost.named >= 0.8, lost.unnamed


def test_containers_tell_their_entries_and_their_room(answers):
    rows = {plain(row["type"]): row for row in answers[CONTAINERS]["rows"]}
    whole = [
        "std::vector<Session>",
        "std::vector<Plain*>",
        "std::deque<Session>",
        "std::deque<Plain>",
        "std::list<Session>",
        "std::map<long,Session>",
        "std::multimap<int,Plain*>",
        "std::set<std::string>",
        "std::unordered_map<long,Session>",
        "std::unordered_set<std::string>",
        "std::map<std::string,std::vector<Plain>>",
    ]
    # (Each map has a member of its own; a set of lost ones is not asked for.)
    assert {name: rows[name]["most_entries"] for name in whole} == dict.fromkeys(whole, COUNT)
    # Of COUNT vectors that have reserved 1 to 5 places each, nothing is in use.
    rooms = rows["std::vector<Plain>"]
    assert (rooms["entries"], rooms["capacity"], rooms["wasted_bytes"]) == (0, COUNT * 3, COUNT * 3 * 8)
    assert answers[CONTAINERS]["totals"]["duplicate_texts"] >= COUNT
