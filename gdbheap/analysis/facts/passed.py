"""What the pointer is that free or realloc was given, and where it was found."""

from __future__ import annotations

import enum

from gdbheap.lazy import dataclass
from gdbheap.process.fact import Fact, Hex
from gdbheap.process.named_address import NamedAddress


@dataclass(frozen=True)
class WhereDamaged(Fact):
    """It lies between two addresses where the headers of the blocks are overwritten."""

    kind = "where_damaged"
    start: Hex
    end: Hex


@dataclass(frozen=True)
class PointsMisaligned(Fact):
    """It is not aligned as blocks are: `offset` bytes into a block of `usable` bytes (negative: before it), which is in
    the state `state`. `confused` is "delete_array" or "delete" where these explain the offset ("": neither does):
    new[] keeps the `count` of the elements in front."""

    kind = "points_misaligned"
    offset: int
    mem: Hex
    usable: int
    state: str
    chunk: Hex
    confused: str
    count: int


@dataclass(frozen=True)
class PointsInsideTop(Fact):
    """It lies in top, `offset` bytes into it."""

    kind = "points_inside_top"
    offset: int


@dataclass(frozen=True)
class FreeAlready(Fact):
    """The block is free: where in which list ("": in some list)."""

    kind = "free_already"
    place: str


@dataclass(frozen=True)
class InsideFreeChunk(Fact):
    """It lies `offset` bytes into a free chunk."""

    kind = "inside_free_chunk"
    offset: int
    chunk: Hex
    size: int
    place: str


@dataclass(frozen=True)
class InsideBlock(Fact):
    """It points `offset` bytes into a block of `usable` bytes, or into its header (negative). `is_free`: that has been
    freed, and is at `place` of a list. `header` is the word in front of the pointer where that is a size that a block
    may have had which began there before (0: it is none)."""

    kind = "inside_block"
    offset: int
    mem: Hex
    usable: int
    is_free: bool
    place: str
    header: Hex


@dataclass(frozen=True)
class BlockInUse(Fact):
    """It is a block in use."""

    kind = "block_in_use"
    usable: int


@dataclass(frozen=True)
class PointsNowhere(Fact):
    """Nothing is mapped there."""

    kind = "points_nowhere"


@dataclass(frozen=True)
class OutsideHeaps(Fact):
    """It lies in no heap, but in a mapping (by its kind and its name); `text` is what is there where that is read-only
    ("" no text), `cut` where it goes on."""

    kind = "outside_heaps"
    symbol: NamedAddress | None
    mapping_kind: str
    mapping: str
    writable: bool
    text: str
    cut: bool


@dataclass(frozen=True)
class ArgumentOf(Fact):
    """An argument of a function, as debug information tells it."""

    kind = "argument"
    name: str
    function: str


@dataclass(frozen=True)
class RegisterOf(Fact):
    """A register of a frame."""

    kind = "register"
    name: str
    frame: int
    function: str


@dataclass(frozen=True)
class OnDyingStack(Fact):
    """A word of the dying call's stack."""

    kind = "dying_stack"
    address: Hex


@dataclass(frozen=True)
class ByTheCall(Fact):
    """What the caller passes (`function`, or "" its code at `program_counter`): `expression` is what the source calls
    it ("" not known), `by_code`: the code before the call tells."""

    kind = "by_the_call"
    function: str
    program_counter: Hex | None
    expression: str
    by_code: bool


@dataclass(frozen=True)
class ResultOfCall(Fact):
    """What the caller passes (see ByTheCall) is what its call of `callee`, made at `place`, had returned, with `added`
    to it; `is_block`: a block, of which `requested` bytes had been asked for (None: not known). `block` is the only
    block in use of that size, 0 where several are."""

    kind = "result_of_call"
    function: str
    program_counter: Hex | None
    callee: str
    place: Hex
    is_block: bool
    requested: int | None
    added: int
    block: Hex


class Way(enum.Enum):
    """How the chunk was found; the value is the published name."""

    BECAME_HEAD = "its_link_became_the_head"
    IN_NO_LIST = "free_and_in_no_list"
    NEXT_HEADER = "next_header_is_broken"
    OF_ARENA = "of_an_arena"
    BY_CHECK = "broken_by_heap_check"
    IN_STRETCH = "in_a_stretch_of_broken_headers"
    OF_LARGER_BIN = "from_a_bin_of_larger_chunks"
    TOP_OF_ONLY_ARENA = "top_of_the_only_arena"
    FIRST_OF_FASTBIN = "first_of_the_only_fastbin"
    MERGED_SINCE = "freed_and_merged_since"
    ENDING_THREAD = "freed_by_the_ending_thread"
    STILL_THE_LINK = "first_word_is_the_link"
    CONSOLIDATED = "consolidated"
    CONSOLIDATED_AND_MERGED = "consolidated_and_merged"
    CONSOLIDATED_INTO_TOP = "consolidated_into_top"


@dataclass(frozen=True)
class FoundBy(Fact):
    """How the chunk was found."""

    kind = "found_by"
    way: Way


@dataclass(frozen=True)
class DebuggingBytes(Fact):
    """The block has `size` bytes, among them those of the debugging mode."""

    kind = "debugging_bytes"
    size: int


@dataclass(frozen=True)
class LinkLeadsTo(Fact):
    """Where the link leads."""

    kind = "link_leads_to"
    address: Hex


@dataclass(frozen=True)
class UnsortedBin(Fact):
    """It is the newest chunk of the unsorted bin, or (`is_empty`) that is empty."""

    kind = "unsorted_bin"
    is_empty: bool


@dataclass(frozen=True)
class EntryMisaligned(Fact):
    """An entry of a tcache is no multiple of the alignment."""

    kind = "entry_misaligned"
    index: int
    slot: Hex
    value: Hex
    alignment: int
