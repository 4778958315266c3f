"""What is broken in a heap, as an answer says it: in English, with the facts beside."""

from __future__ import annotations

from collections.abc import Iterable

from gdbheap.process.fault import Fault
from gdbheap.report.report import FaultLine, Faults
from gdbheap.sentences.facts.said import said


def faults_section(faults: Iterable[Fault], shown: bool = True) -> Faults:
    """Return the section of an answer that says what is broken; `shown` False: to programs alone."""
    return Faults(tuple(map(_line, faults)), shown)


def _line(fault: Fault) -> FaultLine:
    facts = {"message": fault.message.record(), "detail": None if fault.detail is None else fault.detail.record()}
    invariant = None if fault.invariant is None else str(fault.invariant.value)
    return FaultLine(
        fault.address, said(fault.message), "" if fault.detail is None else said(fault.detail), invariant, facts
    )
