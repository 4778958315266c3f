"""heap leaks on blocks that are held by pointers to their inside alone: behind headers, by saved stack pointers, or
by chance."""

from __future__ import annotations

import pytest

from support.gdb_runs import ask
from support.leak_oracles import KINDS, notes_in, stopped
from support.leak_promises import broken_promises
from support.programs import build

BUILDS = {"plain": ("-O0",), "optimised": ("-O2",), "static": ("-static",), "32-bit": ("-m32",)}
ALL, NONE, ROWS = "heap leaks --kind all --blocks", "heap leaks --kind all --blocks --heuristics none", "heap leaks"
NO_STACKS = "heap leaks --kind all --blocks --heuristics header"


@pytest.fixture(scope="module", params=BUILDS.values(), ids=BUILDS)
def said(request, tmp_path_factory):
    """The size of a word, the program's notes {address: (verdict, name)}, and the answers of the live process and of
    its core."""
    core = tmp_path_factory.mktemp("held-inside") / "core"
    commands = (ALL, NONE, NO_STACKS, ROWS)
    program = str(build("held_inside", *request.param))
    there = (f"generate-core-file {core}",)
    output, live = stopped("held_inside", *request.param, commands=commands, get_there=there)
    told = notes_in(output.decode())
    dead = ask([program, str(core)], commands)
    for answers in (live, dead):
        for command in (ALL, NONE, NO_STACKS):
            assert broken_promises(told, verdicts(answers[command])) == []
    notes = {address: (verdict, name) for (name, _), (verdict, address) in told.items()}
    return 4 if "-m32" in request.param else 8, notes, live, dead


def verdicts(answer):
    return {int(row["example"], 16): KINDS[row["kind"]] for row in answer["rows"]}


def test_headers_and_saved_stack_pointers_hold_and_stray_pointers_to_the_inside_do_not(said):
    _, notes, live, core = said
    for answers in (live, core):
        found = verdicts(answers[ALL])
        assert {each: (found.get(each), name) for each, (_, name) in notes.items()} == notes
        assert answers[ALL]["totals"]["doubtful_blocks"] == 0


def test_without_heuristics_all_of_them_are_possibly_lost(said):
    _, notes, live, _ = said
    found = verdicts(live[NONE])
    names = {name for each, (_, name) in notes.items() if found[each] == "possibly"}
    assert names == {name for _, name in notes.values()} - {"headed-lost", "typed-fibres"}
    found = verdicts(live[NO_STACKS])
    names = {name for each, (_, name) in notes.items() if found[each] == "possibly"}
    by_stacks = {"stack", "fresh-stack", "held-by-fibre", "typed-stack", "typed-held-by-fibre"}
    assert names == {"cursor", "behind-cursor", "aligned", "counted-text"} | by_stacks


def test_the_heuristics_are_named_with_what_they_hold_and_where(said):
    word, notes, live, core = said
    for answers in (live, core):
        totals = answers[ROWS]["totals"]
        held = totals["heuristics"]
        assert held["stack"]["blocks"] == 5
        assert held["aligned"]["blocks"] == 6
        assert held["text"]["blocks"] == 9
        headed = [each for each, (_, name) in notes.items() if name.startswith("headed") and name != "headed-lost"]
        tables = [each for each, (_, name) in notes.items() if name.endswith("table")]
        assert held["header"]["blocks"] == len(headed) + len(tables) == 180 + 80
        assert held["header"]["offsets"] in ([3 * word, 0x20, 0x80], [3 * word, 0x80, 0x20])
        by_heuristic = [name for verdict, name in notes.values() if verdict == "reachable" and name[:6] != "typed-"]
        assert totals["by_heuristic_blocks"] == len(by_heuristic)


def test_possibly_lost_blocks_are_shown_as_lost_ones_are_with_what_hangs_on_each_entry_and_where_it_is_pointed_to(said):
    _, notes, live, core = said
    for answers in (live, core):
        rows = [row for row in answers[ROWS]["rows"] if row["kind"] == "possibly_lost"]
        entries = [row for row in rows if row["offset"] is not None]
        (entry,) = entries
        assert (entry["count"], entry["hanging_count"]) == (5, 15)
        assert (entry["offset"], entry["largest_offset"]) == (400, 400 + 4 * 56)
        assert notes[int(entry["example"], 16)][1] == "cursor"
        assert sum(row["count"] for row in rows) == answers[ROWS]["totals"]["possibly_lost_blocks"] == 20
        assert answers[ROWS]["totals"]["possibly_lost_entries_blocks"] == 5
