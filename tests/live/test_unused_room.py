"""Stale pointers in the unused room of a std::string and of a std::vector, and behind an array, hold nothing alive."""

from __future__ import annotations

from support.gdb_runs import ask
from support.programs import build
from support.type_ledger import read_types

EVERY = "heap leaks --blocks --kind all"


def test_what_only_unused_room_leads_to_is_lost():
    answers = ask([str(build("unused_room", "-std=c++17"))], (EVERY,), get_there=("break inspected", "run"))
    truth = read_types(answers.text)
    found = {int(row["example"], 16): row["kind"] for row in answers[EVERY]["rows"]}
    # (A block of the lost fate that was freed and made again is told twice: its last fate counts.)
    assert len(truth) == 85
    wrong = {
        hex(address): found[address]
        for address, told in truth.items()
        if (found[address] == "still_reachable") != (told.fate == "reachable")
    }
    assert not wrong
