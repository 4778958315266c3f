"""A reserved terabyte costs nothing: only what was touched is read, and it is read."""

from __future__ import annotations

from gdb_runs import ask
from programs import build


def test_a_pointer_in_a_reserved_terabyte_is_found_without_reading_all_of_it():
    leaks, search = "heap leaks --kind all --blocks --size 488k-", "heap search mapping[1UL << 36]"
    answers = ask([str(build("sparse"))], (leaks, search), get_there=("break inspected", "run", "up"), patience=30)
    assert [row["kind"] for row in answers[leaks]["rows"]] == ["still_reachable"]
    # (malloc's own copies of the pointer, in registers and dead stack, may be found as well.)
    assert any("+ 0x8000000000" in row["place"] for row in answers[search]["rows"])
