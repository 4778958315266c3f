"""malloc that a signal handler has entered again, while a call of it was under way: it finds its own half of a
change, and dies of it then or later."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, POSSIBLE, CrashContext, Verdict
from gdbheap.analysis.invariants.calls import Call, entry_words
from gdbheap.analysis.malloc_aborts.interrupted_before import facts_before, words_before


def reentered(inner: Call, outer: Call, facts: tuple[str, ...]) -> Verdict:
    """Return the verdict on a call of malloc's that died; `facts` are what speaks of its death."""
    summary = f"{entry_words(inner, outer)}; the heap may then be between two states, which would explain this death"
    why = "malloc and free are not async-signal-safe: what is broken is no evidence of an overrun, nor of a second free"
    frames = (f"frame {outer.signal_level} is where the signal came",) if outer.signal_level is not None else ()
    return Verdict(
        "reentered_malloc", CERTAIN, None, summary, (*frames, *facts, why), ("bt", f"frame {outer.inner_level}")
    )


def reentered_before(crash: CrashContext, is_explained: bool) -> Iterator[Verdict]:
    """Yield that a handler, which has returned, had interrupted malloc; `is_explained`: what broke the heap is told
    by something else, so that the handler is one more possibility at the most."""
    found = crash.interrupted
    if found is None or (is_explained and not found.called):
        return
    sure = LIKELY if found.has_entered_again and not is_explained else POSSIBLE
    look = (f"break {found.handler}",) if found.handler.isidentifier() else ()
    yield Verdict("reentered_malloc", sure, None, words_before(found), facts_before(found), (*look, "bt"))
