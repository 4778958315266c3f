"""Who may have written what is broken."""

from __future__ import annotations

from gdbheap.lazy import dataclass
from gdbheap.process.fact import Fact, Hex


@dataclass(frozen=True)
class WrittenText(Fact):
    """A text, in quotes; `nul`: and its NUL."""

    kind = "written_text"
    text: str
    nul: bool


@dataclass(frozen=True)
class WrittenFill(Fact):
    """The field holds one byte over and over."""

    kind = "written_fill"
    count: int
    byte: Hex


@dataclass(frozen=True)
class WrittenAddress(Fact):
    """The field holds an address: in a chunk (by its state and address), or a mapping by its path ("" anonymous)."""

    kind = "written_address"
    value: Hex
    state: str
    chunk: Hex | None
    path: str


@dataclass(frozen=True)
class SecondFree(Fact):
    """A second free of this block, while it was in a list already."""

    kind = "second_free"


@dataclass(frozen=True)
class TcacheBinsGrew(Fact):
    """As mp_.tcache_bins is wrong, free itself writes behind the tcache."""

    kind = "tcache_bins_grew"
    bins: int
    holds: Fact | None


@dataclass(frozen=True)
class OnlyCountedOnce(Fact):
    """The free of a mmapped block whose size was overwritten unmaps blocks behind it too, and counts one."""

    kind = "only_counted_once"
    holds: Fact | None


@dataclass(frozen=True)
class OverHead(Fact):
    """Whoever wrote over this head of a list, or over a link that became it."""

    kind = "over_head"
    holds: Fact | None


@dataclass(frozen=True)
class NoBlocks(Fact):
    """It is no block's memory."""

    kind = "no_blocks"
    holds: Fact


@dataclass(frozen=True)
class NobodyBelow(Fact):
    """No block below it could have been written past its end."""

    kind = "nobody_below"
    holds: Fact


@dataclass(frozen=True)
class OnlyHolds(Fact):
    """All that is known is what the field holds."""

    kind = "only_holds"
    holds: Fact


@dataclass(frozen=True)
class PastFreeBlock(Fact):
    """A write past the end of the block below, which is free by now."""

    kind = "past_free_block"
    mem: Hex
    size: int
    holds: Fact | None


@dataclass(frozen=True)
class ListLeftLinks(Fact):
    """malloc itself: a list held `mem` as if it were a block; `place` is what is there."""

    kind = "list_left_links"
    mem: Hex
    place: Fact


@dataclass(frozen=True)
class MovedToTcache(Fact):
    """malloc moved `mem` to this tcache, from a list whose links were overwritten."""

    kind = "moved_to_tcache"
    mem: Hex
    place: Fact


@dataclass(frozen=True)
class FreedWrongly(Fact):
    """free was given `mem`, which malloc never returned."""

    kind = "freed_wrongly"
    mem: Hex
    place: Fact


@dataclass(frozen=True)
class FreedTwice(Fact):
    """A double free of `mem`; `place` where it was merged since (None: it was in the list)."""

    kind = "freed_twice"
    mem: Hex
    place: Fact | None


@dataclass(frozen=True)
class OverOldTop(Fact):
    """Whoever wrote over the header of the top that was there."""

    kind = "over_old_top"


@dataclass(frozen=True)
class LostFromList(Fact):
    """Perhaps nobody: the block below still has the links of a list."""

    kind = "lost_from_list"
    mem: Hex


@dataclass(frozen=True)
class LinkOverwritten(Fact):
    """A write through a dangling pointer into a block, while a list held it; `copied`: malloc copied it from there."""

    kind = "link_overwritten"
    mem: Hex
    copied: bool


@dataclass(frozen=True)
class MayWriteItself(Fact):
    """The block below may write there itself."""

    kind = "may_write_itself"
    mem: Hex
    size: int


@dataclass(frozen=True)
class WrittenPast(Fact):
    """The block in use below was written `over` bytes past its end (`exactly`, or at least), with `text` ("" none;
    `nul`: and its NUL), or the byte `fill`, or what the field holds. `or_next`: or that is the next block, at this
    mem, written below its start."""

    kind = "written_past"
    mem: Hex
    usable: int
    over: int
    exactly: bool
    text: str
    nul: bool
    fill: Hex | None
    or_next: Hex | None
    holds: Fact | None


@dataclass(frozen=True)
class StackGrewDown(Fact):
    """A stack grew down over it: return addresses lie there."""

    kind = "stack_grew_down"
    returns: tuple[Hex, ...]


@dataclass(frozen=True)
class WrittenBelow(Fact):
    """The block itself was written below its start."""

    kind = "written_below"
    mem: Hex
    before: int
    holds: Fact | None


@dataclass(frozen=True)
class WrittenAfterFree(Fact):
    """A write through a dangling pointer into a freed block."""

    kind = "written_after_free"
    mem: Hex
    size: int
    offset: int
    holds: Fact | None


@dataclass(frozen=True)
class DoubleFree(Fact):
    """A double free of a pointer, and what that is now; `perhaps`: the pointer only fits. `by_realloc`: it was
    realloc that was given the freed block."""

    kind = "double_free"
    pointer: Hex
    what: Fact
    perhaps: bool
    by_realloc: bool = False


@dataclass(frozen=True)
class UsedAsStack(Fact):
    """A block is used as a stack, which overflowed: return addresses lie in it and below its start."""

    kind = "used_as_stack"
    pointer: Hex
    returns: tuple[Hex, ...]
    perhaps: bool


@dataclass(frozen=True)
class PastEnd(Fact):
    """A write past a block's end; `perhaps`: nothing that runs over the end shows it."""

    kind = "past_end"
    writer: Fact
    perhaps: bool = False


@dataclass(frozen=True)
class FromAbove(Fact):
    """A write over a block's header from above."""

    kind = "from_above"
    writer: Fact


@dataclass(frozen=True)
class AfterFree(Fact):
    """A write after free."""

    kind = "after_free"
    writer: Fact
