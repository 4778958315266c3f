"""What the pointer is that free or realloc was given, and where it was found."""

from __future__ import annotations

from gdbheap.analysis.facts.passed import (
    ArgumentOf,
    BlockInUse,
    ByTheCall,
    DebuggingBytes,
    EntryMisaligned,
    FoundBy,
    FreeAlready,
    InsideBlock,
    InsideFreeChunk,
    LinkLeadsTo,
    OnDyingStack,
    OutsideHeaps,
    PointsInsideTop,
    PointsMisaligned,
    PointsNowhere,
    RegisterOf,
    ResultOfCall,
    UnsortedBin,
    Way,
    WhereDamaged,
)
from gdbheap.sentences.facts.phrases import Phrases

_IN_USE = "in_use"
_WAYS = {
    Way.BECAME_HEAD: "its first word is still the link that became the head of the list",
    Way.IN_NO_LIST: "it is free, and in no list any more",
    Way.NEXT_HEADER: "the header of the next chunk is broken",
    Way.OF_ARENA: "the check is of an arena or a heap, not of one chunk",
    Way.BY_CHECK: "`heap check` finds it broken",
    Way.IN_STRETCH: "several headers may be overwritten, and which of these blocks was passed is not seen",
    Way.OF_LARGER_BIN: "it was taken from a bin of larger chunks, and no chunk begins where its size says",
    Way.TOP_OF_ONLY_ARENA: "it is top of the only arena",
    Way.FIRST_OF_FASTBIN: "it is the first of the only fastbin",
    Way.MERGED_SINCE: (
        "the block that held this link was freed just before, and has been merged with its neighbours since"
    ),
    Way.ENDING_THREAD: "the ending thread freed it just before, and read this link from its first word",
    Way.STILL_THE_LINK: "its first word is still the link to it",
    Way.CONSOLIDATED: (
        "malloc_consolidate took it from its fastbin just before, and read the link from its first word"
    ),
    Way.CONSOLIDATED_AND_MERGED: (
        "malloc_consolidate has merged it just before: it is the block whose link was read, or contains it"
    ),
    Way.CONSOLIDATED_INTO_TOP: "malloc_consolidate has merged the block whose link was read into top",
}


def _misaligned(fact: PointsMisaligned) -> str:
    far = f"{fact.offset:#x} bytes into" if fact.offset > 0 else f"{-fact.offset:#x} bytes before the start of"
    what = f"{fact.state} chunk {fact.chunk:#x}"
    if fact.state == _IN_USE:
        what = f"block {fact.mem:#x} of {fact.usable:#x} usable bytes"
    why = "it is not aligned as blocks are"
    if fact.confused == "delete":
        why = "so does delete[] of what new returned"
    elif fact.confused:
        why = (
            f"new[] returns such a pointer where it keeps the number of the elements in front ({fact.count:,}), and "
            "delete[] must free it; a cast to a base class that is not the first gives one too"
        )
    return f"points {far} the {what}: {why}"


def _inside(fact: InsideBlock) -> str:
    block = f"block {fact.mem:#x} of {fact.usable:#x} usable bytes"
    if fact.offset < 0:
        return f"points into the header of the {block}, {-fact.offset:#x} bytes before its start"
    if fact.is_free:
        block = f"freed block {fact.mem:#x}, in {_list(fact.place)}"
    before = ""
    if fact.header:
        before = f"; {fact.header:#x} in front of it may be left of a block that began there and was freed before"
    return f"points {fact.offset:#x} bytes into the {block}, not to its start{before}"


def _list(place: str) -> str:
    return place or "a free list"


def _outside(fact: OutsideHeaps) -> str:
    what = fact.mapping
    if fact.symbol is not None and str(fact.symbol) not in fact.mapping:
        what = f"{fact.symbol}, in {fact.mapping}"
    if fact.writable:
        return f"lies outside every heap ({what})"
    text = f': the text "{fact.text}"{"…" if fact.cut else ""}' if fact.text else ""
    return f"lies outside every heap, in memory that is read-only ({what}){text}"


def _argument(fact: ArgumentOf) -> str:
    return f"the argument {f'{fact.name} ' if fact.name else ''}of {fact.function}"


def _result_of_call(fact: ResultOfCall) -> str:
    """Return what is passed, by the call that made it."""
    asked = "" if fact.requested is None else f"{fact.requested:,}"
    made = f"what {_passing(fact.function, fact.program_counter)} had got from its call of {fact.callee}({asked})"
    far = f"{abs(fact.added):,} byte{'s'[: abs(fact.added) != 1]}"
    what = f"{far} {'beyond' if fact.added > 0 else 'before'} {made}" if fact.added else made
    only = f"; the only block in use of that size is {fact.block:#x}" if fact.block else ""
    return f"{what}, at {fact.place:#x}, by the code before the call{only}"


def _passing(function: str, program_counter: int | None) -> str:
    return function or (f"the function at {program_counter:#x}" if program_counter is not None else "")


def _by_the_call(fact: ByTheCall) -> str:
    name = _passing(fact.function, fact.program_counter)
    what = f"`{fact.expression}`, which {name} passes" if fact.expression else f"what {name} passes"
    return f"{what}, by the {'code before the call' if fact.by_code else 'source line'}"


PHRASES: Phrases = {
    WhereDamaged: "lies between {start} and {end}, where the headers of the blocks are overwritten",
    PointsMisaligned: _misaligned,
    PointsInsideTop: "lies in top, {offset:#x} bytes into it: memory that was given back, or never handed out",
    FreeAlready: lambda fact: f"is free already: in {_list(fact.place)}",
    InsideFreeChunk: lambda fact: (
        f"lies {fact.offset:#x} bytes into the free chunk {fact.chunk:#x} of {fact.size:#x} bytes, in "
        f"{_list(fact.place)}: the block was freed and merged into that, or never was one"
    ),
    InsideBlock: _inside,
    BlockInUse: "is a block in use of {usable:#x} usable bytes",
    PointsNowhere: "points to where nothing is mapped",
    OutsideHeaps: _outside,
    ArgumentOf: _argument,
    RegisterOf: lambda fact: (
        f"register {fact.name} of frame {fact.frame}{f' {fact.function}' if fact.function else ''}"
    ),
    OnDyingStack: "the stack of the dying call, at {address}",
    ByTheCall: _by_the_call,
    ResultOfCall: _result_of_call,
    FoundBy: lambda fact: _WAYS[fact.way],
    DebuggingBytes: "it has {size:#x} bytes, and the debugging mode's own bytes in them",
    LinkLeadsTo: "the link leads to {address}",
    UnsortedBin: lambda fact: (
        "the unsorted bin is empty" if fact.is_empty else "it is the newest chunk of the unsorted bin"
    ),
    EntryMisaligned: "tcache entries[{index}] at {slot} is {value}, must be a multiple of {alignment}",
}
