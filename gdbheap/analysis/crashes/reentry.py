"""malloc that a signal handler has entered again, while a call of it was under way: it finds its own half of a
change, and dies of it then or later."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, POSSIBLE, Cause, Verdict
from gdbheap.analysis.facts.aborts import NotAsyncSignalSafe, Reentered, SignalFrame
from gdbheap.analysis.invariants.calls import MallocCall, how_entered
from gdbheap.analysis.malloc_aborts.interrupted_before import facts_before, how_entered_before
from gdbheap.process.fact import Fact


def reentered(inner: MallocCall, outer: MallocCall, facts: tuple[Fact, ...]) -> Verdict:
    """Return the verdict on a call of malloc's that died; `facts` are what speaks of its death."""
    signal = (SignalFrame(outer.signal_level),) if outer.signal_level is not None else ()
    evidence, next_steps = (*signal, *facts, NotAsyncSignalSafe(True)), ("bt", f"frame {outer.inner_level}")
    return Verdict(Cause.REENTERED_MALLOC, CERTAIN, None, Reentered(how_entered(inner, outer)), evidence, next_steps)


def reentered_before(crash: CrashContext, is_explained: bool) -> Iterator[Verdict]:
    """Yield that a handler, which has returned, had interrupted malloc; `is_explained`: what broke the heap is told
    by something else, so that the handler is one more possibility at the most."""
    found = crash.interrupted
    if found is None or (is_explained and not found.called):
        return
    sure = LIKELY if found.has_entered_again and not is_explained else POSSIBLE
    look = (f"break {found.handler}",) if found.handler.isidentifier() else ()
    evidence = facts_before(found)
    yield Verdict(Cause.REENTERED_MALLOC, sure, None, how_entered_before(found), evidence, (*look, "bt"))
