"""What the heap tells of a bad pointer."""

from __future__ import annotations

from gdbheap.analysis.facts.heap import (
    AddressSpaceLimit,
    BadValueAt,
    ChunkField,
    DataLimit,
    ElementOutside,
    ExpressionAt,
    HeaderUsed,
    IsIn,
    MallocReturnedNull,
    MappedInAll,
    MostMappings,
    OnlyInFreed,
    OnlyInFreedAt,
    PointsInto,
    PointsIntoHeader,
    PointsIntoTop,
    ReadAfterFree,
    ReadPastBlock,
    ThatChunk,
    UsedAfterFree,
)
from gdbheap.sentences.facts.phrases import Phrases
from gdbheap.sentences.facts.places import chunk, distance

_LINKS = {
    "next": "where malloc keeps its link to the next cached block",
    "key": "where malloc keeps the tcache key",
    "fd": "where malloc keeps fd, its list's link",
    "bk": "where malloc keeps bk, its list's link",
}
_LIMITS = {"address_space": "RLIMIT_AS allows (ulimit -v)", "data": "RLIMIT_DATA allows (ulimit -d)"}


def _field(fact: ChunkField) -> str:
    if fact.next_chunk is not None:
        return f"the {fact.field} field of the next chunk, {fact.next_chunk:#x}"
    if fact.field in _LINKS:
        return _LINKS[fact.field]
    return f"the {fact.field} field of the chunk" if fact.field else f"in that chunk, {fact.offset:#x} bytes into it"


def _element(fact: ElementOutside) -> str:
    what = f"element {fact.index}" if fact.index is not None else "an element"
    how_far = (
        f"{fact.past:#x} bytes past the end" if fact.past is not None else f"{fact.before:#x} bytes before the start"
    )
    return f"{what} (of {fact.scale} bytes each) of an array in a block: {how_far} of that block"


def _null(fact: MallocReturnedNull) -> str:
    if fact.left is None:
        why = "the process has as many mappings as the kernel usually allows (vm.max_map_count)"
    else:
        why = f"{fact.left:#x} bytes are left of what {_LIMITS[fact.limit]}"
    return f"malloc may well have returned NULL, and nobody checked: {why}"


PHRASES: Phrases = {
    ChunkField: _field,
    PointsInto: lambda fact: f"{fact.name} is {fact.value:#x}, {distance(fact.offset)} the {chunk(fact.chunk)}",
    IsIn: "{name} is {value}, in the {chunk}",
    BadValueAt: "the bad value is at {place}, {field}",
    ExpressionAt: "{expression} is {value}, read from {place}: {field}",
    ThatChunk: "that is the {chunk}",
    UsedAfterFree: lambda fact: (
        f"{fact.name} points into a block that has been freed: {'perhaps ' if fact.perhaps else ''}a use after free"
    ),
    ReadAfterFree: "{expression} was read from a block that has been freed: a use after free",
    OnlyInFreed: (
        "the bad value is in a block that has been freed: if it was read from there after the free, this is a use "
        "after free"
    ),
    OnlyInFreedAt: "{value} is at {place}, in the {chunk}, and elsewhere in the heap only in freed blocks",
    PointsIntoTop: "{name} points into top: memory that malloc has not handed out, or has taken back",
    HeaderUsed: "a field of malloc's was used as a pointer: a chunk's header was read as if it were the program's data",
    ReadPastBlock: "a pointer was read {distance:#x} bytes past the end of the block that {name} points to",
    PointsIntoHeader: "{name} points into a chunk's header",
    ElementOutside: _element,
    MallocReturnedNull: _null,
    MappedInAll: "the process has {mappings} mappings of {size:#x} bytes",
    MostMappings: "that is as many mappings as the kernel usually allows ({most}, vm.max_map_count)",
    AddressSpaceLimit: "the limit on its address space is {limit:#x} bytes (RLIMIT_AS)",
    DataLimit: "the limit on its data is {limit:#x} bytes (RLIMIT_DATA), of which {used:#x} are taken",
}
