"""Who may have written what is broken."""

from __future__ import annotations

from gdbheap.analysis.facts.control import InNamedMapping
from gdbheap.analysis.facts.places import InChunk
from gdbheap.analysis.facts.writers import (
    AfterFree,
    DoubleFree,
    FreedTwice,
    FreedWrongly,
    FromAbove,
    LinkOverwritten,
    ListLeftLinks,
    LostFromList,
    MayWriteItself,
    MovedToTcache,
    NoBlocks,
    NobodyBelow,
    OnlyCountedOnce,
    OnlyHolds,
    OverHead,
    OverOldTop,
    PastEnd,
    PastFreeBlock,
    SecondFree,
    StackGrewDown,
    TcacheBinsGrew,
    UsedAsStack,
    WrittenAddress,
    WrittenAfterFree,
    WrittenBelow,
    WrittenFill,
    WrittenPast,
    WrittenText,
)
from gdbheap.process.fact import Fact
from gdbheap.sentences.facts.phrases import Phrases, Template


def _address(fact: WrittenAddress) -> str:
    where = fact.path or "an anonymous mapping"
    if fact.chunk is not None:
        where = f"the {fact.state} chunk at {fact.chunk:#x}"
    return f"{fact.value:#x}, an address in {where}"


def _and_holds(text: str) -> Template:
    """Return the text, and behind it what the field holds, where that looks like anything."""
    return Template(lambda fact: text if fact.holds is None else f"{text}; the field now reads {{holds}}")


def _place(place: Fact) -> str:
    if isinstance(place, InChunk):
        return f"in the {place.state} chunk at {place.chunk:#x} of {place.size:#x} bytes"
    if isinstance(place, InNamedMapping):
        return f"an address in {place.path or 'an anonymous mapping'}"
    return "where nothing is mapped"


def _freed_twice(fact: FreedTwice) -> str:
    if fact.place is None:
        return f"a double free: {fact.mem:#x} was freed again while it was in the list"
    where = _place(fact.place)
    return f"a double free: {fact.mem:#x} lies {where}: the block was freed, merged into that, and freed again"


def _past(fact: WrittenPast) -> str:
    what = "" if fact.holds is None else "; the field now reads {holds}"
    if fact.text:
        what = f", with the text {_braced(fact.text)}{' and its NUL' if fact.nul else ''}"
    if fact.fill is not None:
        what = f", with bytes of {fact.fill:#x}"
    elif fact.or_next is not None:
        what = f", or the next block, mem {fact.or_next:#x}, was written below its start{what}"
    by = f"{'' if fact.exactly else 'at least '}{fact.over} byte{'' if fact.over == 1 else 's'}"
    block = f"mem {fact.mem:#x} of {fact.usable:#x} usable bytes"
    return f"the block in use below, {block}, was written {by} past its end{what}"


def _braced(text: str) -> str:
    """Return the program's text as a template has it."""
    return text.replace("{", "{{").replace("}", "}}")


def _returns(returns: tuple[int, ...]) -> str:
    return f"return addresses ({', '.join(f'{each:#x}' for each in returns)})"


def _double_free(fact: DoubleFree) -> str:
    what = "realloc was given a block that is freed" if fact.by_realloc else "a double free"
    return f"{'perhaps ' if fact.perhaps else ''}{what}: {{pointer}} {{what}}"


def _as_stack(fact: UsedAsStack) -> str:
    perhaps = "perhaps " if fact.perhaps else ""
    lies = f"{_returns(fact.returns)} are in it and below its start, over its header"
    return f"{perhaps}a stack that overflowed: the block {fact.pointer:#x} is used as one: {lies}"


PHRASES: Phrases = {
    WrittenText: lambda fact: f"{fact.text}{' and its NUL' if fact.nul else ''}",
    WrittenFill: "{count} bytes of {byte}",
    WrittenAddress: _address,
    SecondFree: "a second free of this block, while it was in a list already",
    TcacheBinsGrew: (
        "perhaps free itself: as mp_.tcache_bins is {bins:#x}, it keeps the counts and links of large blocks behind "
        "the tcache"
    ),
    OnlyCountedOnce: (
        "perhaps nobody: the free of a mmapped block whose size was overwritten unmaps the blocks after it too, and "
        "counts one"
    ),
    OverHead: _and_holds(
        "whoever wrote over this head of a list; or over the link of a block that malloc has handed out since, and "
        "made the head: that link is no longer visible"
    ),
    NoBlocks: "this is no block's memory; the field now reads {holds}",
    NobodyBelow: "nothing below it to blame; the field now reads {holds}",
    OnlyHolds: "the field now reads {holds}",
    PastFreeBlock: _and_holds(
        "the block below, {mem} of {size:#x}, which is free now, was written past its end: before its free, or through "
        "a dangling pointer"
    ),
    ListLeftLinks: lambda fact: (
        f"malloc itself: a list held {fact.mem:#x}, {_place(fact.place)}, as if it were a block, and its link and key "
        "were here; how it came to the list is no longer visible"
    ),
    MovedToTcache: lambda fact: (
        f"malloc moved {fact.mem:#x}, {_place(fact.place)}, to this tcache from a fastbin or small bin whose links "
        "were overwritten"
    ),
    FreedWrongly: lambda fact: f"free was given {fact.mem:#x}, {_place(fact.place)}: malloc never returned it",
    FreedTwice: _freed_twice,
    OverOldTop: "whoever wrote over the header of the top that was there: most often the user of the block below it",
    LostFromList: (
        "perhaps nobody: {mem}, the block below, still has the links of a free list, which has lost it if a link that "
        "led to it was overwritten; else it was written past its end"
    ),
    LinkOverwritten: Template(
        lambda fact: (
            "a write through a dangling pointer into the block {mem}, while a list held it"
            f"{'; malloc itself copied it from there' if fact.copied else ''}"
        )
    ),
    MayWriteItself: "the block below, {mem} of {size:#x}, may write there itself",
    WrittenPast: Template(_past),
    StackGrewDown: lambda fact: (
        f"a stack that grew down over it, out of this block or one above: {_returns(fact.returns)} are there"
    ),
    WrittenBelow: _and_holds("the block itself, mem {mem}, was written {before} bytes below its start"),
    WrittenAfterFree: _and_holds(
        "a write through a dangling pointer into the freed block {mem} of {size:#x}, {offset:#x} bytes in"
    ),
    DoubleFree: Template(_double_free),
    UsedAsStack: _as_stack,
    PastEnd: Template(lambda fact: f"{'probably ' if fact.perhaps else ''}a write past a block's end: {{writer}}"),
    FromAbove: "a write over a block's header from above: {writer}",
    AfterFree: "a write after free: {writer}",
}
