"""heap retained where more than one way leads into a structure: rings, lists with a cursor, caches with an index."""

from __future__ import annotations

from live.test_retained import ledger, named
from support.gdb_runs import ask
from support.programs import build, running

# Who is told as the owner of what several hold, by the program's source; of a ring no one is.
OWNERS = {"queue_cursor_and_queue_head": "queue_head", "tree_first_and_tree_root": "tree_root"}


def test_each_structure_is_one_row_with_its_owner_and_the_programs_sums():
    with running(build("caches_and_rings", "-std=c++17")) as program:
        answer = ask(["-p", str(program.pid)], ["heap retained"])["heap retained"]
        expected = ledger(program.text)
    rows = {named(row): row for row in answer["rows"] if row["kind"] != "member"}
    assert {name: told(rows.get(name)) for name in expected} == expected
    assert {name: row["owner"] for name, row in rows.items() if row["kind"] == "shared" and name in expected} == {
        name: OWNERS.get(name) for name, (kind, _, _) in expected.items() if kind == "shared"
    }
    assert rows["ring_cursor_and_ring_head"]["holder"] in ("ring_cursor and ring_head", "ring_head and ring_cursor")
    (items,) = [row for row in answer["rows"] if row["holder"] == "cache->items"]
    assert (items["bytes"] > rows["cache"]["bytes"] * 0.8, items["type"]) == (True, "std::list<Value>")


def told(row):
    return row and (row["kind"], row["bytes"], row["blocks"])


def test_what_optimised_code_has_in_a_register_is_the_callers_variables():
    with running(build("held_by_a_caller", "-O2")) as program:
        answer = ask(["-p", str(program.pid)], ["heap retained"])["heap retained"]
    first = answer["rows"][0]
    # The database, its name, 500 rows; the statement and its text are main's other variable's, or reachable from there.
    assert (first["kind"], first["holder"]) == ("local", "database in main() of thread 1")
    assert 502 <= first["blocks"] <= 504
