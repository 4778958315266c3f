"""What is wrong with a chunk by the checks of free and realloc."""

from __future__ import annotations

from gdbheap.analysis.facts.free_checks import (
    EndsBeyondTop,
    HeaderTellsMapping,
    InList,
    IsTop,
    LinksDiffer,
    NextHeader,
    NotAligned,
    PrevSizeMisleads,
    SizeImpossible,
    SizeIs,
    SizesDiffer,
    SizeWraps,
)
from gdbheap.sentences.facts.phrases import Phrases


def _next(fact: NextHeader) -> str:
    says = "PREV_INUSE clear" if fact.size_field is None else f"size field {fact.size_field:#x}"
    return f"the header of the next chunk, at {fact.address:#x}, has {says}"


def _beyond(fact: EndsBeyondTop) -> str:
    of_main = "; NON_MAIN_ARENA is clear, as in a free chunk, so free takes it for one of the main arena"
    return f"it would end at {fact.end:#x}, and top does at {fact.top_end:#x}{of_main if fact.taken_for_main else ''}"


PHRASES: Phrases = {
    NotAligned: "{pointer} is not a multiple of {alignment}",
    SizeIs: lambda fact: f"size field is {fact.size:#x}" if fact.is_raw else f"size is {fact.size}",
    SizeWraps: "size {size} makes the chunk end outside the address space",
    SizeImpossible: "size {size} is not one that a chunk can have",
    HeaderTellsMapping: "the header describes a mapping at {start} of {length:#x} bytes",
    InList: lambda fact: (
        f"it is the first of {fact.list}" if fact.position == 1 else f"it is number {fact.position} of {fact.list}"
    ),
    NextHeader: _next,
    IsTop: "it is top",
    EndsBeyondTop: _beyond,
    PrevSizeMisleads: "prev_size is {prev_size}, the chunk there, at {chunk}, has size {size}",
    SizesDiffer: "the free chunk at {chunk} has size {size}, prev_size of the next one is {prev_size}",
    LinksDiffer: "fd {fd} or bk {bk} of the free chunk at {chunk} does not lead back",
}
