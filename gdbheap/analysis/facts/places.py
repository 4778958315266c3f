"""Where an address is: in a chunk, in a mapping, or between two."""

from __future__ import annotations

from gdbheap.glibc.chunk_table import Chunk
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.naming import place_of
from gdbheap.lazy import dataclass
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.fact import Fact, Hex
from gdbheap.process.named_address import NamedAddress


@dataclass(frozen=True)
class InChunk(Fact):
    """A chunk: `state` as it is published, `place` in its free list ("tcache[3] 1/2", "" in none)."""

    kind = "chunk"
    state: str
    chunk: Hex
    size: int
    place: str


@dataclass(frozen=True)
class InMapping(Fact):
    """A mapping, as /proc/PID/maps has it."""

    kind = "mapping"
    start: Hex
    end: Hex
    permissions: str
    path: str


@dataclass(frozen=True)
class IntoMapping(Fact):
    """`address` is `offset` bytes into the mapping."""

    kind = "into_mapping"
    address: Hex
    offset: int
    mapping: InMapping


@dataclass(frozen=True)
class PastMapping(Fact):
    """The address lies `distance` bytes past the end of the mapping below it."""

    kind = "past_mapping"
    distance: int
    mapping: InMapping


@dataclass(frozen=True)
class BeforeMapping(Fact):
    """The address lies `distance` bytes before the mapping above it."""

    kind = "before_mapping"
    distance: int
    mapping: InMapping


@dataclass(frozen=True)
class AtSymbol(Fact):
    """A symbol is there."""

    kind = "symbol"
    symbol: NamedAddress


@dataclass(frozen=True)
class OnStack(Fact):
    """It is on the stack of the thread that died."""

    kind = "stack"


@dataclass(frozen=True)
class IntoChunk(Fact):
    """`offset` bytes into the user's part of a chunk (negative: before it)."""

    kind = "into_chunk"
    offset: int
    chunk: InChunk


@dataclass(frozen=True)
class Nowhere(Fact):
    """Nothing is mapped there."""

    kind = "unmapped"


@dataclass(frozen=True)
class KernelHalf(Fact):
    """The kernel's half of the address space."""

    kind = "kernel_half"


def in_chunk(view: HeapView, chunk: Chunk) -> InChunk:
    """Return the chunk as a fact."""
    return InChunk(chunk.state.label, chunk.address, chunk.size, place_of(view, chunk))


def in_mapping(vma: VMA) -> InMapping:
    """Return the mapping as a fact."""
    return InMapping(vma.start, vma.end, vma.permissions, vma.path)


def surroundings(space: AddressSpace, address: int) -> tuple[Fact, ...]:
    """Return what lies at the address, or on both sides of it and how far."""
    here = space.find(address)
    if here is not None:
        return (IntoMapping(address, address - here.start, in_mapping(here)),)
    below, above = space.around(address)
    lines: list[Fact] = []
    if below is not None:
        lines.append(PastMapping(address - below.end, in_mapping(below)))
    if above is not None:
        lines.append(BeforeMapping(above.start - address, in_mapping(above)))
    return tuple(lines)
