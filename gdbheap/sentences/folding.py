"""Long ways told in short: steps that repeat are told once, with how often they come."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from gdbheap.lazy import dataclass

# So many steps may repeat together ("->left->data"), and so often they must come to be told once.
_LONGEST = 3
_OFTEN = 3


@dataclass(frozen=True)
class RepeatedSteps:
    """`length` steps from `start` on, which come `times` times one after another."""

    start: int
    length: int
    times: int


def fold(keys: Sequence[Hashable]) -> list[RepeatedSteps]:
    """Return the steps (told by their keys) as runs, in order: those that repeat as one, the others one by one."""
    runs: list[RepeatedSteps] = []
    at = 0
    while at < len(keys):
        runs.append(max((_run(keys, at, length) for length in range(1, _LONGEST + 1)), key=_worth))
        at += runs[-1].length * runs[-1].times
    return runs


def _worth(run: RepeatedSteps) -> tuple[int, int]:
    """Return more for a run that leaves less to tell: of two alike the shorter is the better."""
    return run.length * (run.times - 1), -run.length


def _run(keys: Sequence[Hashable], start: int, length: int) -> RepeatedSteps:
    times, end = 1, start + length
    while end + length <= len(keys) and all(keys[end + each] == keys[start + each] for each in range(length)):
        times, end = times + 1, end + length
    return RepeatedSteps(start, length if times >= _OFTEN else 1, times if times >= _OFTEN else 1)
