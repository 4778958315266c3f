"""malloc that a signal handler has entered again, while a call of it was under way: it finds its own half of a
change, and dies of it."""

from __future__ import annotations

from gdbheap.analysis.crashes.verdict import CERTAIN, Verdict
from gdbheap.analysis.invariants.calls import Call, entry_words


def reentered(inner: Call, outer: Call, facts: tuple[str, ...]) -> Verdict:
    """Return the verdict on a call of malloc's that died; `facts` are what speaks of its death."""
    summary = f"{entry_words(inner, outer)}, which found the heap between two states"
    why = "malloc and free are not async-signal-safe: what is broken is no evidence of an overrun, nor of a second free"
    frames = (f"frame {outer.signal_level} is where the signal came",) if outer.signal_level is not None else ()
    return Verdict(
        "reentered_malloc", CERTAIN, None, summary, (*frames, *facts, why), ("bt", f"frame {outer.inner_level}")
    )
