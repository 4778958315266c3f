"""AffectedChunk: what an abort of malloc's is about."""

from __future__ import annotations

from gdbheap.analysis.invariants.finding import Finding
from gdbheap.lazy import dataclass
from gdbheap.process.fact import Fact


@dataclass(frozen=True)
class AffectedChunk:
    """`chunk` failed the check; `pointer` is what the caller passed (None: nothing, or not known); `how` they were
    found (None: they were not); `evidence` the check in numbers. `finding` is what `heap check` says of it, where that
    led here. `is_guess`: the pointer only fits, and was found where any other value may be."""

    chunk: int | None
    pointer: int | None
    how: Fact | None
    evidence: Fact | None
    finding: Finding | None = None
    is_guess: bool = False
