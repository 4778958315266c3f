"""Which container grows, where nothing is lost (reports/who_grows.cc): `heap diff` and `heap retained` name it."""

from __future__ import annotations

from support.gdb_runs import ask
from support.programs import build

RETAINED, LEAKS = "heap retained", "heap leaks"
# What the program's source adds to `waiting` in each round of 2,500 requests: a node and its closure for each, and for
# each session that was erased (nine of ten) the session, its user, token and scratch.
NEW, ERASED = 2500, 2250
BLOCKS = 2 * NEW + 4 * ERASED


def test_the_container_that_holds_what_was_erased_elsewhere_is_named(tmp_path):
    files = [str(tmp_path / f"{name}.heap") for name in ("one", "two", "three")]
    take = [f"heap snapshot {file}" for file in files]
    two, three = f"heap diff {' '.join(files[:2])}", f"heap diff {' '.join(files)}"
    there = ("break inspected", "run", take[0], "continue", take[1], "continue", take[2])
    answers = ask([str(build("who_grows", "-std=c++17"))], (two, three, RETAINED, LEAKS), get_there=there)
    for command, rounds in ((two, 1), (three, 2)):
        rows = [row for row in answers[command]["rows"] if row["holder"] == "server->waiting"]
        # (A few more blocks or fewer: of the sessions that both hold, each is counted where it is nearest.)
        assert abs(rows[0]["holder_grown_blocks"] - rounds * BLOCKS) < 100
        assert any(row["what"] == "std::_Sp_counted_ptr_inplace<Session>" and row["example"] for row in rows)
        assert answers[command]["rows"][0]["holder"] == "server->waiting"
    holders = {row["holder"]: row for row in answers[RETAINED]["rows"]}
    assert holders["server->waiting"]["type"] == "std::map<int, std::function<void()>>"
    assert holders["server->waiting"]["bytes"] > 0.8 * holders["server"]["bytes"]
    assert answers[LEAKS]["totals"]["definitely_lost_blocks"] == answers[LEAKS]["totals"]["possibly_lost_blocks"] == 0
