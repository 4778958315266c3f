"""Servers that grow in ways that C and C++ programs do: each growth is found by the holder's name, with and without
debug information, live and in a core."""

from __future__ import annotations

import pytest

from support.gdb_runs import ask
from support.programs import build

RETAINED = "heap retained"
# What comes in each round, by the programs' sources: entries with path and content, tasks; the ring buffer and its 256
# messages stay. Sessions (with name and buffer) with their node or job: a job's closure beside it.
ENTRIES, TASKS, KEPT, JOBS = 2000, 1000, 1000, 1000


def rounds(program, tmp_path, *commands):
    """Return the answers after the third of three rounds, with a snapshot after each; the comparison of these first. A
    core of that state is kept."""
    files = [str(tmp_path / f"{name}.heap") for name in ("one", "two", "three")]
    take = [f"heap snapshot --output {file}" for file in files]
    steady = f"heap diff {' '.join(files)}"
    there = (
        "break inspected",
        "run < /dev/null",
        take[0],
        "continue",
        take[1],
        "continue",
        take[2],
        f"gcore {tmp_path}/core",
    )
    answers = ask([str(program)], (steady, *commands), get_there=there)
    return answers[steady]["rows"], [answers[command] for command in commands]


def grown(rows):
    """Return {holder: blocks that it has more than after the first round}."""
    return {row["holder"]: row["holder_grown_blocks"] for row in rows if row["holder"]}


def kinds_and_blocks(retained):
    """Return {holder: (kind, blocks)}."""
    return {row["holder"]: (row["kind"], row["blocks"]) for row in retained["rows"]}


@pytest.mark.parametrize("flags", [("-O2",), ("-O2", "-s", "-rdynamic")], ids=["O2", "stripped"])
def test_a_cache_with_a_list_through_it_and_a_threads_own_queue(flags, tmp_path):
    program = build("growing_caches", "-pthread", *flags)
    rows, (retained,) = rounds(program, tmp_path, RETAINED)
    # (The first and the last blocks may be in other rows.)
    more = grown(rows)
    assert {3 * 2 * ENTRIES} == {count for holder, count in more.items() if count > 2 * 2 * ENTRIES}
    assert [holder for holder, count in more.items() if abs(count - 2 * TASKS) < 4], more
    if "-s" not in flags:
        # (Also reachable over the list, whose links lead into the middle of entries.)
        assert more["cache->buckets"] == 3 * 2 * ENTRIES
        assert abs(more["own of thread 2->first"] - 2 * TASKS) < 4
        assert {row["what"] for row in rows if row["steady_bytes"]} >= {"struct entry", "struct task"}
        held = kinds_and_blocks(retained)
        assert held["cache"] == ("static", 1 + 3 * 3 * ENTRIES)
        assert held["log_ring"] == ("static", 256)
        assert held["own of thread 2"] == ("thread_local", 1 + 3 * TASKS)
        (in_core,) = ask([str(program), str(tmp_path / "core")], (RETAINED,)).json.values()
        names = [name for name in held if "struct pthread" not in name]
        assert {name: kinds_and_blocks(in_core).get(name) for name in names} == {name: held[name] for name in names}


def test_sessions_that_jobs_keep_apart_from_those_of_a_map_in_a_functions_own_singleton(tmp_path):
    rows, _ = rounds(build("growing_jobs", "-std=c++17", "-O2"), tmp_path)
    more = grown(rows)
    jobs, sessions = "service in Service::instance().jobs_", "service in Service::instance().sessions_"
    # Three blocks for each session, one for the node or the closure, and of the deque a block for every 16 jobs.
    assert abs(more[jobs] - 2 * JOBS * (4 + 1 / 16)) < 30, more
    assert abs(more[sessions] - 2 * KEPT * 4) < 30, more
