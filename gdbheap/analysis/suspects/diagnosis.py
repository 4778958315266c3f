"""What is to be said of a broken field, all in one: the finding, who probably wrote there, how to catch that."""

from __future__ import annotations

from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.invariants.finding import Finding
from gdbheap.analysis.suspects.recipe import recipe
from gdbheap.analysis.suspects.suspected_writer import SuspectedWriter, probable_writer
from gdbheap.lazy import dataclass

_NOBODY = SuspectedWriter("unknown")


@dataclass(frozen=True)
class Diagnosis:
    """`watch` and `breakpoint` are the commands that catch the write in a rerun, `rr` the way back with rr ("": there
    is none)."""

    finding: Finding
    writer: SuspectedWriter
    watch: str = ""
    breakpoint: str = ""
    rr: str = ""

    @property
    def commands(self) -> tuple[str, ...]:
        """Those that there are."""
        return tuple(filter(None, (self.watch, self.breakpoint, self.rr)))


def diagnose(heap: CheckedHeap, found: Finding, in_handler: bool) -> Diagnosis:
    """Return the diagnosis of a finding. What a call under way may have written, or (`in_handler`) one that a signal
    handler made in the middle of another, nobody else has to be looked for."""
    if found.transient:
        return Diagnosis(found, _NOBODY)
    writer = probable_writer(heap, found)
    if in_handler and not writer.is_run:
        writer = _NOBODY
    return Diagnosis(found, writer, *recipe(heap, found, writer))
