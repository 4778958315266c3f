"""The verdict on every block of this stop, as the commands share it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.session.block_types import plain_types
from gdbheap.session.pointer_graph import pointer_graph
from gdbheap.session.target import Key, Target

if TYPE_CHECKING:
    from gdbheap.analysis.leaks.leaks import Leaks


def judged_blocks(target: Target, heuristics: Sequence[str] | None = None, ignore_missing: bool = False) -> Leaks:
    """Return the verdicts of this stop by these heuristics (None: by all), reached once. `ignore_missing`: as if
    what is missing held nothing."""
    from gdbheap.analysis.leaks.heuristics import HEURISTICS, TYPES
    from gdbheap.analysis.leaks.leaks import Judging, find_leaks

    held = pointer_graph(target)
    if ignore_missing and not held.interrupted:
        held = replace(held, blind=False)
    chosen = HEURISTICS if heuristics is None else tuple(heuristics)
    verdicts: Key[Leaks] = Key(("leaks", chosen, held.blind))
    types = plain_types(target) if TYPES in chosen and not held.interrupted else None
    return target.keep(
        verdicts, lambda progress: find_leaks(target.process, target.heap(), held, Judging(chosen, types), progress)
    )
