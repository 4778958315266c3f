"""The plan leaves nothing out: every test file runs, and in every system unless it is pure; no file runs twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from matrix import roots
from matrix.plan import AARCH64, DEATHS, PAGES, PURE, all_test_files, files_for, parts_for

CHECKOUT = Path(__file__).parents[2]
FILES = all_test_files(CHECKOUT)


def test_every_test_file_is_in_one_part_of_each_system_it_is_for() -> None:
    assert f"tests/matrix/{Path(__file__).name}" in FILES
    for system in roots.SYSTEMS:
        planned = Counter(name for part in parts_for(system, FILES) for name in part)
        assert planned == Counter(files_for(system, FILES))
        assert all(parts_for(system, FILES))


def test_what_is_not_pure_runs_in_every_system_and_what_is_with_the_oldest_and_the_newest_python() -> None:
    runs = Counter(name for system in roots.SYSTEMS for name in files_for(system, FILES))
    assert runs.keys() == set(FILES)
    assert [runs.pop(f"tests/{name}") for name in (PAGES, AARCH64, DEATHS)] == [1, 1, 1]
    for name, count in runs.items():
        assert count == (2 if name.startswith(tuple(f"tests/{each}" for each in PURE)) else len(roots.SYSTEMS)), name
    oldest = {min(roots.SYSTEMS, key=lambda each: version(each.python)).python, roots.SYSTEMS[0].python}
    newest = {max(roots.SYSTEMS, key=lambda each: version(each.python)).python, roots.SYSTEMS[-1].python}
    assert (len(oldest), len(newest)) == (1, 1)


def test_each_name_of_what_is_pure_names_something() -> None:
    assert all(any(name.startswith(f"tests/{each}") for name in FILES) for each in PURE)


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
