"""A server that grows in four ways: each is found in three commands, by variable and type."""

from __future__ import annotations

import pytest

from support.gdb_runs import ask
from support.programs import build

RETAINED, LEAKS = "heap retained", "heap leaks"
# What each holder has, by the program's own counts: 5,000 sessions (node, session, user, scratch), 2,500 jobs (with
# their commands), 1,250 entries (with path and content) in the cache.
HOLDERS = {
    "server->sessions": ("std::unordered_map<int, std::shared_ptr<Session>>", 4 * 5000),
    "server->queue": ("std::deque<std::unique_ptr<Job>>", 2 * 2500),
    "app::cache": ("std::map<std::string, std::string>", 3 * 1250),
}
# In the last round: 2,000 sessions, 1,000 jobs, 500 entries, 400 lost records.
ROWS = {"std::_Sp_counted_ptr_inplace<Session>": ("server->sessions", 2000), "Job": ("server->queue", 1000)}


@pytest.mark.parametrize("level", ["-O0", "-O1", "-O2"])
def test_each_growth_is_found_by_variable_and_type(level, tmp_path):
    files = [str(tmp_path / f"{name}.heap") for name in ("one", "two", "three")]
    take = [f"heap snapshot {file}" for file in files]
    steady = f"heap diff {' '.join(files)}"
    there = ("break inspected", "run < /dev/null", take[0], "continue", take[1], "continue", take[2])
    answers = ask([str(build("growing_server", "-std=c++17", level))], (RETAINED, LEAKS, steady), get_there=there)
    rows = {row["holder"]: row for row in answers[RETAINED]["rows"]}
    for holder, (kind, blocks) in HOLDERS.items():
        assert rows[holder]["type"] == kind
        # A few more are the containers' own tables.
        assert blocks <= rows[holder]["blocks"] < blocks + 100, rows[holder]
    lost = [row for row in answers[LEAKS]["rows"] if row["kind"] == "definitely_lost"]
    # The last one may still be in a register.
    assert 999 <= sum(row["count"] for row in lost) <= 1000
    grown = {row["what"]: row for row in answers[steady]["rows"]}
    for what, (holder, count) in ROWS.items():
        row = grown[what]
        assert (row["state"], row["holder"], row["born_first"], row["born_second"]) == ("held", holder, count, count)
        assert row["holder_grown_blocks"] > 0 and row["holder_grown_bytes"] > 0
    leaked = [row for row in answers[steady]["rows"] if row["state"] == "lost"]
    assert sum(row["born_second"] for row in leaked) in (399, 400)
