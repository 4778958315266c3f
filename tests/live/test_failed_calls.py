"""`fault` on calls that were given the wrong thing, beside free: a mutex whose words were overwritten, and objects of
new[] that delete takes, or the other way about. Each program writes the address that its call was given."""

from __future__ import annotations

import json

import pytest

from support.gdb_runs import ROOT, kept_symbols, run_gdb
from support.programs import build

FLAGS = {"-O0": ("-O0",), "-O2, stripped": ("-O2", "-s"), "i386": ("-m32", "-O2")}
MUTEXES = {
    "in_block": " bytes into the in_use chunk ",
    "in_freed_block": ": it has been freed",
    "in_global": "",
    "on_condition": " bytes into the in_use chunk ",
    "held_by_nobody": " bytes into the in_use chunk ",
}
CASES = {"mutexes": (*MUTEXES, "not_of_mutex"), "array_cookie": ("array_with_delete", "one_with_array_delete")}


@pytest.fixture(scope="module", params=FLAGS)
def deaths(request, tmp_path_factory):
    """Let every case die in one gdb; return (the address that it told, the verdicts, those of the core) by case."""
    place, flags = tmp_path_factory.mktemp("failed"), FLAGS[request.param]
    programs = {"mutexes": build("mutexes", "-pthread", *flags), "array_cookie": build("array_cookie", "-w", *flags)}
    lines = kept_symbols(programs["mutexes"])
    for name, cases in CASES.items():
        for case in cases:
            where = place / case
            lines += [f"file {programs[name]}", f"run {case} > {where}.told 2> /dev/null"]
            lines += [f"fault --json --output {where}.live", f"generate-core-file {where}.core", "kill"]
            lines += [f"core-file {where}.core", f"fault --json --output {where}.dead", "core-file"]
    words = ["gdb", "-nx", "-q", "-batch", "-iex", "set confirm off", "-ex", f"source {ROOT / 'gdb_init.py'}"]
    text = run_gdb([*words, *(word for line in lines for word in ("-ex", line))], patience=300)
    answers = {}
    for case in (*CASES["mutexes"], *CASES["array_cookie"]):
        assert (place / f"{case}.dead").exists(), text
        rows = [json.loads((place / f"{case}.{kind}").read_text())["rows"] for kind in ("live", "dead")]
        answers[case] = int((place / f"{case}.told").read_text().split()[0], 16), *rows
        (place / f"{case}.core").unlink()
    return answers


@pytest.mark.parametrize("case", MUTEXES)
def test_the_mutex_of_a_failed_assertion_is_found_and_what_became_of_its_block(deaths, case):
    told, *both = deaths[case]
    for rows in both:
        assert [row["verdict"] for row in rows] == ["assertion"]
        assert ("ESRCH" if case == "held_by_nobody" else "__owner == 0") in rows[0]["summary"]
        if case == "on_condition" and rows[0]["address"] is None:
            continue  # libc itself made that call, and without its debug information its code need not tell
        assert rows[0]["address"] == f"{told:#x}"
        facts = [fact for fact in rows[0]["evidence"] if fact.startswith(f"the mutex is at {told:#x}")]
        assert len(facts) == 1
        assert MUTEXES[case] in facts[0]
        assert ("it has been freed" in facts[0]) == (case == "in_freed_block")
        assert f"explain {told:#x}" in rows[0]["next"]


def test_an_assertion_of_the_programs_own_is_about_no_mutex(deaths):
    _, *both = deaths["not_of_mutex"]
    for rows in both:
        assert (rows[0]["verdict"], rows[0]["address"]) == ("assertion", None)


CONFUSED = {
    "array_with_delete": "new[] returns such a pointer where it keeps the number of the elements in front (12), and "
    "delete[] must free it",
    "one_with_array_delete": "so does delete[] of what new returned",
}


@pytest.mark.parametrize("case", CONFUSED)
def test_delete_of_what_new_array_returned_is_told_from_any_wrong_pointer(deaths, case):
    told, *both = deaths[case]
    for rows in both:
        assert f"a pointer that malloc did not return: {told:#x} points " in rows[0]["summary"]
        assert CONFUSED[case] in rows[0]["summary"]
