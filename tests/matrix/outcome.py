"""What came of the tests, counted from pytest's own JUnit file and not from its words."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Outcome(NamedTuple):
    """The tests of one system: how many passed, failed and were skipped, in `seconds`; `trouble` says what else
    failed."""

    name: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    trouble: str = ""

    @property
    def bad(self) -> int:
        """What counts as failed: a skipped test is a row of the matrix that nobody saw, and trouble is one failure
        more."""
        return self.failed + self.skipped + bool(self.trouble)


def read_outcome(name: str, junit: Path, exit_code: int, seconds: float) -> Outcome:
    """Return the outcome of a pytest run that left `junit` (or did not) and ended with `exit_code`."""
    try:
        cases = list(ElementTree.parse(junit).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return Outcome(name, seconds=seconds, trouble=f"pytest ended early, exit code {exit_code}")
    failed = sum(1 for case in cases if case.find("failure") is not None or case.find("error") is not None)
    skipped = sum(1 for case in cases if case.find("skipped") is not None)
    trouble = ""
    if not cases:
        trouble = "no test was collected"
    elif exit_code and not failed:
        trouble = f"pytest's exit code is {exit_code}"
    return Outcome(name, len(cases) - failed - skipped, failed, skipped, seconds, trouble)


def joined(name: str, parts: Sequence[Outcome]) -> Outcome:
    """Return the outcome of a system whose tests ran in these parts; the trouble of each one counts."""
    return Outcome(
        name,
        sum(part.passed for part in parts),
        sum(part.failed for part in parts),
        sum(part.skipped for part in parts),
        sum(part.seconds for part in parts),
        "; ".join(dict.fromkeys(part.trouble for part in parts if part.trouble)),
    )


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """Return the lines that show `outcomes`, and last the closing line `N passed, N failed`."""
    width = max(len(outcome.name) for outcome in outcomes)
    lines = [f"{'':{width}} {'passed':>7} {'failed':>7} {'skipped':>8} {'time':>7}"]
    for outcome in outcomes:
        counts = f"{outcome.passed:7} {outcome.failed:7} {outcome.skipped:8}"
        line = f"{outcome.name:{width}} {counts} {outcome.seconds:6.0f}s  {outcome.trouble}"
        lines.append(line.rstrip())
    passed = sum(outcome.passed for outcome in outcomes)
    bad = sum(outcome.bad for outcome in outcomes)
    return [*lines, "", f"{passed} passed, {bad} failed"]
