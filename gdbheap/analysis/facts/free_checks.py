"""What is wrong with a chunk by the checks of free and realloc, in this chunk's own numbers."""

from __future__ import annotations

from gdbheap.lazy import dataclass
from gdbheap.process.fact import Fact, Hex


@dataclass(frozen=True)
class NotAligned(Fact):
    """The pointer is no multiple of the alignment."""

    kind = "not_aligned"
    pointer: Hex
    alignment: int


@dataclass(frozen=True)
class SizeIs(Fact):
    """The size (`is_raw`: with its flags)."""

    kind = "size"
    size: Hex
    is_raw: bool


@dataclass(frozen=True)
class SizeWraps(Fact):
    """The size makes the chunk end outside the address space."""

    kind = "size_wraps"
    size: Hex


@dataclass(frozen=True)
class SizeImpossible(Fact):
    """No chunk can have the size."""

    kind = "size_impossible"
    size: Hex


@dataclass(frozen=True)
class HeaderTellsMapping(Fact):
    """The header tells of a mapping."""

    kind = "header_tells_mapping"
    start: Hex
    length: int


@dataclass(frozen=True)
class InList(Fact):
    """It is in a list already, `position` from its head (from 1)."""

    kind = "in_list"
    position: int
    list: str


@dataclass(frozen=True)
class NextHeader(Fact):
    """The header behind it: its size field, or (None) that PREV_INUSE is clear."""

    kind = "next_header"
    address: Hex
    size_field: Hex | None


@dataclass(frozen=True)
class IsTop(Fact):
    """It is top."""

    kind = "is_top"


@dataclass(frozen=True)
class EndsBeyondTop(Fact):
    """It would end behind top. `taken_for_main`: free takes it for one of the main arena, as NON_MAIN_ARENA is
    clear."""

    kind = "ends_beyond_top"
    end: Hex
    top_end: Hex
    taken_for_main: bool


@dataclass(frozen=True)
class PrevSizeMisleads(Fact):
    """prev_size leads to a chunk of another size."""

    kind = "prev_size_misleads"
    prev_size: Hex
    chunk: Hex
    size: Hex


@dataclass(frozen=True)
class SizesDiffer(Fact):
    """A free chunk's size and the prev_size behind it differ."""

    kind = "sizes_differ"
    chunk: Hex
    size: Hex
    prev_size: Hex


@dataclass(frozen=True)
class LinksDiffer(Fact):
    """fd or bk of a free chunk does not lead back."""

    kind = "links_differ"
    fd: Hex
    bk: Hex
    chunk: Hex
