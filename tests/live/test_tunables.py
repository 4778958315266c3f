"""malloc set up otherwise than by default: every tunable that changes where chunks go or how they are found."""

from __future__ import annotations

import pytest

from support.expected import live_chunks, rows_of, shown
from support.gdb_runs import ask
from support.programs import build, running

ENVIRONMENTS = {
    "no tcache": {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"},
    "a large tcache": {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=30:glibc.malloc.tcache_max=1000"},
    "a tcache of large chunks": {"GLIBC_TUNABLES": "glibc.malloc.tcache_max=1000000"},
    "no fastbins": {"GLIBC_TUNABLES": "glibc.malloc.mxfast=0"},
    "all fastbins": {"GLIBC_TUNABLES": "glibc.malloc.mxfast=160"},
    "one arena": {"MALLOC_ARENA_MAX": "1"},
    "two arenas": {"MALLOC_ARENA_MAX": "2"},
    "no arena test": {"MALLOC_ARENA_TEST": "1"},
    "a low mmap threshold": {"MALLOC_MMAP_THRESHOLD_": "4096"},
    "no mmap": {"MALLOC_MMAP_MAX_": "0"},
    "a large top": {"MALLOC_TOP_PAD_": "3000000"},
    "an eager trim": {"MALLOC_TRIM_THRESHOLD_": "4096"},
    "perturbed": {"MALLOC_PERTURB_": "85"},
    "transparent huge pages": {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},
    "huge pages": {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=2"},
    "named mappings": {"GLIBC_TUNABLES": "glibc.mem.decorate_maps=1"},
}
HIDDEN = ["set debug-file-directory /nonexistent"]
OF_ARENAS = (
    "no tcache",
    "a tcache of large chunks",
    "one arena",
    "two arenas",
    "a large top",
    "transparent huge pages",
    "huge pages",
)


@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_a_random_story_is_told_right_however_malloc_is_tuned(environment):
    with running(build("mixed"), "5", "3000", environment=environment) as program:
        answers = ask(["-p", str(program.pid)], ["heap chunks", "heap arenas", "heap check"])
        hidden = ask(["-p", str(program.pid)], ["heap chunks", "heap arenas"], first=HIDDEN)
        ledger = program.finish()
    assert_as_told(answers, ledger)
    seen, known = rows_of(hidden), rows_of(answers)
    for command in ("heap chunks", "heap arenas"):
        assert seen[command] == known[command]
        assert hidden[command]["faults"] == []


@pytest.mark.parametrize("name", OF_ARENAS)
def test_threads_are_told_right_however_malloc_is_tuned(name):
    with running(build("threads"), environment=ENVIRONMENTS[name]) as program:
        answers = ask(["-p", str(program.pid)], ["heap chunks", "heap arenas", "heap check"])
        ledger = program.finish()
    assert_as_told(answers, ledger)


def assert_as_told(answers, ledger):
    chunks = shown(answers["heap chunks"])
    assert {a: chunk for a, chunk in chunks.items() if chunk[1] == "in_use"} == live_chunks(ledger, 8)
    assert not [chunk for chunk in chunks.values() if chunk[1] == "unknown"]
    free = sum(size for size, state in chunks.values() if state in ("fastbin", "unsorted", "small", "large", "top"))
    assert free == ledger.mallinfo["fordblks"]
    assert sum(row["system_bytes"] for row in answers["heap arenas"]["rows"]) == ledger.mallinfo["arena"]
    assert (answers["heap chunks"]["faults"], answers["heap chunks"]["notes"]) == ([], [])
    assert answers["heap check"]["rows"] == []
