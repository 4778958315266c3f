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
