"""What the heap tells of a bad pointer: the object that it was read from, or leads to."""

from __future__ import annotations

from gdbheap.analysis.facts.places import InChunk
from gdbheap.lazy import dataclass
from gdbheap.process.fact import Fact, Hex


@dataclass(frozen=True)
class ChunkField(Fact):
    """What malloc or the program has at a place: a `field` of malloc's ("size", "prev_size", "next", "key", "fd",
    "bk") in the chunk, or in the header of the next one, `next_chunk`; "": the program's memory, `offset` bytes into
    the block."""

    kind = "chunk_field"
    field: str
    next_chunk: Hex | None
    offset: int


@dataclass(frozen=True)
class PointsInto(Fact):
    """`name` is `value`, `offset` bytes into a chunk's block (negative: before it)."""

    kind = "points_into"
    name: str
    value: Hex
    offset: int
    chunk: InChunk


@dataclass(frozen=True)
class BadValueAt(Fact):
    """The bad value stands at `place`."""

    kind = "bad_value_at"
    place: Hex
    field: ChunkField


@dataclass(frozen=True)
class ExpressionAt(Fact):
    """`expression` is `value`, and stands at `place`."""

    kind = "expression_at"
    expression: str
    value: Hex
    place: Hex
    field: ChunkField


@dataclass(frozen=True)
class ThatChunk(Fact):
    """The chunk that the place is in."""

    kind = "that_chunk"
    chunk: InChunk


@dataclass(frozen=True)
class UsedAfterFree(Fact):
    """`name` points into a block that has been freed; `perhaps`: nothing shows that it mattered."""

    kind = "used_after_free"
    name: str
    perhaps: bool


@dataclass(frozen=True)
class ReadAfterFree(Fact):
    """`expression` was read from a block that has been freed."""

    kind = "read_after_free"
    expression: str


@dataclass(frozen=True)
class OnlyInFreed(Fact):
    """The bad value stands in a block that has been freed."""

    kind = "value_in_freed_block"


@dataclass(frozen=True)
class OnlyInFreedAt(Fact):
    """Where it stands; nowhere else in the heap but in freed blocks."""

    kind = "value_in_freed_block_at"
    value: Hex
    place: Hex
    chunk: InChunk


@dataclass(frozen=True)
class PointsIntoTop(Fact):
    """`name` points into top."""

    kind = "points_into_top"
    name: str


@dataclass(frozen=True)
class HeaderUsed(Fact):
    """A field of a chunk's header was used as a pointer."""

    kind = "header_used"


@dataclass(frozen=True)
class ReadPastBlock(Fact):
    """A pointer was read `distance` bytes past the end of the block that `name` points to."""

    kind = "read_past_block"
    distance: int
    name: str


@dataclass(frozen=True)
class PointsIntoHeader(Fact):
    """`name` points into a chunk's header."""

    kind = "points_into_header"
    name: str


@dataclass(frozen=True)
class ElementOutside(Fact):
    """Element `index` (None: of a vector of indices), `scale` bytes each, of an array in a block lies outside of that:
    `past` bytes past its end, or (None) `before` bytes before its start."""

    kind = "element_outside"
    index: int | None
    scale: int
    past: int | None
    before: int | None


@dataclass(frozen=True)
class MallocReturnedNull(Fact):
    """A `limit` leaves no room: "address_space", "data" (`left` bytes), or "mappings"."""

    kind = "malloc_returned_null"
    limit: str
    left: int | None


@dataclass(frozen=True)
class MappedInAll(Fact):
    """How many mappings the process has, of how many bytes."""

    kind = "mapped_in_all"
    mappings: int
    size: int


@dataclass(frozen=True)
class MostMappings(Fact):
    """The number of mappings that the kernel usually allows is reached."""

    kind = "most_mappings"
    most: int


@dataclass(frozen=True)
class AddressSpaceLimit(Fact):
    """RLIMIT_AS, in bytes."""

    kind = "address_space_limit"
    limit: int


@dataclass(frozen=True)
class DataLimit(Fact):
    """RLIMIT_DATA, in bytes, and how much of it is taken."""

    kind = "data_limit"
    limit: int
    used: int


@dataclass(frozen=True)
class IsIn(Fact):
    """`name` is `value`, in a chunk."""

    kind = "is_in"
    name: str
    value: Hex
    chunk: InChunk
