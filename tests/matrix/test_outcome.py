"""A run counts as good only if its tests were seen to pass."""

from __future__ import annotations

from pathlib import Path

from matrix.outcome import Outcome, joined, read_outcome, table

JUNIT = """<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest" errors="0" failures="1" skipped="1" tests="4">
<testcase classname="a" name="one"/><testcase classname="a" name="two"><failure message="no">no</failure></testcase>
<testcase classname="a" name="three"><skipped type="pytest.skip" message="later"/></testcase>
<testcase classname="a" name="four"/></testsuite></testsuites>
"""


def test_cases_are_counted(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(JUNIT)
    outcome = read_outcome("sid", tmp_path / "junit.xml", 1, 3.0)
    assert outcome == Outcome("sid", 2, 1, 1, 3.0)
    assert outcome.bad == 2


def test_a_run_without_tests_is_bad(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text("<testsuites><testsuite/></testsuites>")
    assert read_outcome("sid", tmp_path / "junit.xml", 5, 1.0).trouble == "no test was collected"
    assert read_outcome("sid", tmp_path / "junit.xml", 5, 1.0).bad == 1


def test_a_run_that_died_is_bad(tmp_path: Path) -> None:
    outcome = read_outcome("sid", tmp_path / "junit.xml", -9, 1.0)
    assert (outcome.bad, outcome.trouble) == (1, "pytest ended early, exit code -9")


def test_an_error_outside_the_tests_is_bad(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text('<testsuite><testcase name="one"/></testsuite>')
    outcome = read_outcome("sid", tmp_path / "junit.xml", 3, 1.0)
    assert (outcome.passed, outcome.bad, outcome.trouble) == (1, 1, "pytest's exit code is 3")


def test_the_table() -> None:
    outcomes = [
        Outcome("sid", 20, 0, 0, 61.2),
        Outcome("trixie", 18, 1, 1, 59.6),
        Outcome("mypy", trouble="exit code 1"),
    ]
    assert table(outcomes) == [
        "        passed  failed  skipped    time",
        "sid         20       0        0     61s",
        "trixie      18       1        1     60s",
        "mypy         0       0        0      0s  exit code 1",
        "",
        "38 passed, 3 failed",
    ]


def test_the_trouble_of_one_part_is_the_systems() -> None:
    parts = [Outcome("sid-1", 5, 1, 0, 2.0), Outcome("sid-2", trouble="pytest ended early, exit code -9")]
    assert joined("sid", parts) == Outcome("sid", 5, 1, 0, 2.0, "pytest ended early, exit code -9")
    assert table([joined("sid", parts)])[-1] == "5 passed, 2 failed"
