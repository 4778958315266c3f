"""The plan leaves nothing out: every test file runs, and in every system unless it is of a kind that says otherwise; no
file runs twice in one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from matrix import roots
from matrix.guest import GUEST
from matrix.plan import (
    AARCH64,
    DEATHS,
    MACHINE,
    NOT_OF_GLIBC,
    OF_THE_SOURCE,
    PAGES,
    PURE,
    all_test_files,
    files_for,
    is_of,
    parts_for,
)

CHECKOUT = Path(__file__).parents[2]
FILES = all_test_files(CHECKOUT)


def test_every_test_file_is_in_one_part_of_each_system_it_is_for() -> None:
    assert f"tests/matrix/{Path(__file__).name}" in FILES
    for system in (*roots.SYSTEMS, GUEST):
        planned = Counter(name for part in parts_for(system, FILES) for name in part)
        assert planned == Counter(files_for(system, FILES))
        assert all(parts_for(system, FILES))


def test_a_file_runs_in_every_system_unless_its_kind_says_otherwise() -> None:
    runs = Counter(name for system in roots.SYSTEMS for name in files_for(system, FILES))
    assert files_for(GUEST, FILES) == [f"tests/{MACHINE}"]
    assert {*runs, f"tests/{MACHINE}"} == set(FILES)
    assert [runs.pop(f"tests/{name}") for name in (PAGES, AARCH64, DEATHS)] == [1, 1, 1]
    for name, count in runs.items():
        expected = next(
            (times for kind, times in ((OF_THE_SOURCE, 1), (PURE, 2), (NOT_OF_GLIBC, 3)) if is_of(name, kind)),
            len(roots.SYSTEMS),
        )
        assert count == expected, name


def test_what_runs_everywhere_leaves_out_only_what_a_system_cannot_run() -> None:
    for system in roots.SYSTEMS:
        left = set(FILES) - set(files_for(system, FILES, everywhere=True))
        assert left <= {f"tests/{name}" for name in (PAGES, AARCH64, DEATHS, MACHINE)}


def test_the_ends_of_the_matrix_have_the_oldest_and_the_newest_of_all() -> None:
    for versions in ([version(each.python) for each in roots.SYSTEMS], [version(each.gdb) for each in roots.SYSTEMS]):
        assert (versions[0], versions[-1]) == (min(versions), max(versions))
    # What is decided by gdb alone need not run in sid: experimental has the same gdb.
    assert roots.SYSTEMS[-1].gdb == roots.SYSTEMS[-2].gdb


def test_each_name_of_a_kind_names_something() -> None:
    for kind in (OF_THE_SOURCE, PURE, NOT_OF_GLIBC):
        assert all(any(is_of(name, each) for name in FILES) for each in kind)


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
