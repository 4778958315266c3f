"""What is wrong with the heap of this stop, found once for all commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.session.target import Key, Target

if TYPE_CHECKING:
    from gdbheap.analysis.invariants.check import Violations

_VIOLATIONS: Key[Violations] = Key("violations")


def violations(target: Target) -> Violations:
    """Return every violation of malloc's invariants in the heap of this stop; HeapError where it cannot be read."""
    from gdbheap.analysis.invariants.check import find_violations  # kept out of gdb's start

    view = target.heap()
    return target.keep(_VIOLATIONS, lambda _: find_violations(target.process, view))
