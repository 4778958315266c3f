"""Sampled calls of one stack, and which of them tell whether its blocks stay: those that were followed for longer than
its blocks take to be handed out anew."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from gdbheap.lazy import dataclass
from gdbheap.process.recording import Sample

# So many calls in a row, a block's own among them, are seen in any case before it is judged.
_FOLLOWED = 8
# Of the blocks of a stack that were seen handed out anew, so many were so within the time that it is given.
_NEARLY_ALL = 0.9
# However long that is, the longest followed calls of a stack tell: so many of them.
_ENOUGH = 1 / 4


@dataclass(frozen=True)
class Call:
    """A sampled call, for a chunk of `size`; `is_alive`: the block is in use at the end. `again` is after how many
    calls its block was handed out anew (None: nobody saw it). A `doubtful` one is in use, but what it held is gone:
    another block may be there now."""

    sample: Sample
    size: int
    is_alive: bool
    again: int | None = None
    is_judged: bool = False
    is_doubtful: bool = False


def judged(calls: Sequence[Call], trusted: Collection[int] = ()) -> list[Call]:
    """Return the calls of one stack, those that tell marked; no other one is alive for sure. Doubtful ones tell only
    where they are of a size that is `trusted`."""
    patience = _patience(calls)
    found = []
    for call in calls:
        is_judged = call.sample.followed >= patience or (call.sample.was_freed and patience == _FOLLOWED)
        is_doubtful = call.is_doubtful and call.size not in trusted
        is_judged = is_judged and not is_doubtful
        is_alive = call.is_alive and is_judged
        found.append(replace(call, is_judged=is_judged, is_alive=is_alive, is_doubtful=is_doubtful))
    return found


def _patience(calls: Sequence[Call]) -> int:
    """Return how many calls must have been seen from one of these on, for its block to be judged."""
    seen = sorted(call.again for call in calls if call.again is not None)
    if not seen:
        return _FOLLOWED
    followed = sorted((call.sample.followed for call in calls), reverse=True)
    nearly_all = seen[int(_NEARLY_ALL * (len(seen) - 1))] + 1
    return max(min(nearly_all, followed[int(_ENOUGH * (len(followed) - 1))]), _FOLLOWED)
