"""Heap: an allocator's memory as those see it who ask about blocks. Each allocator has a room that reads a process into
one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from gdbheap.allocators.blocks import Blocks
from gdbheap.lazy import dataclass
from gdbheap.process.fact import Fact
from gdbheap.process.fault import Fault
from gdbheap.process.process import Process

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.lazy import np

# The state of a piece that the program has.
IN_USE = "in_use"


class Sizing(Protocol):
    """How the allocator lays out blocks, in bytes: `header` is what stands before each, `min_size` the least that one
    takes, `alignment` that of what it returns."""

    @property
    def pointer_size(self) -> int: ...
    @property
    def page_size(self) -> int: ...
    @property
    def alignment(self) -> int: ...
    @property
    def header(self) -> int: ...
    @property
    def min_size(self) -> int: ...


@dataclass(frozen=True)
class HeapArea:
    """[start, end) of a mapping that is the allocator's: of the published `kind` ("arena_heap"), `what` for people
    ("heap"); `owner` is whose it is ("arena", 1), if anyone's."""

    start: int
    end: int
    kind: str
    what: str
    owner: tuple[str, int] | None = None


@dataclass(frozen=True)
class Piece:
    """A piece of the allocator's memory, in use or not: [start, end), what the user has of it from `mem` on, and its
    `state` by a published name."""

    start: int
    end: int
    mem: int
    state: str


class Heap(Protocol):
    """All of an allocator's memory. `complete` is False where reading was cut short (Ctrl-C); `notes` say what could
    not be known, `faults` what is broken."""

    @property
    def layout(self) -> Sizing: ...
    @property
    def complete(self) -> bool: ...
    @property
    def notes(self) -> tuple[Fact, ...]: ...
    @property
    def faults(self) -> tuple[Fault, ...]: ...

    def blocks(self) -> Blocks:
        """Return what the program has; the allocator's own records are none of it."""

    def own_ranges(self) -> Iterable[tuple[int, int]]:
        """Return [start, end) of all that is the allocator's, blocks included: what lies there holds nothing alive."""

    def unread_ranges(self) -> Iterable[tuple[int, int]]:
        """Return the parts of them that could not be read as blocks, which may hold anything alive."""

    def areas(self, process: Process) -> Iterable[HeapArea]:
        """Return what of the process's mappings is the allocator's, by what it is."""

    def piece_at(self, address: int) -> Piece | None:
        """Return the piece that holds the address, None where it is in none."""

    def in_use(self, addresses: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which of the addresses lie in memory of blocks in use."""

    def unwritten(self, blocks: Blocks, head: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which blocks still begin with what the allocator left there while they were free; `head` has the
        first words of each."""

    def size_of(self, request: int) -> int:
        """Return what a block of so many bytes takes of the allocator's memory."""

    def requests_of(self, size: int) -> range:
        """Return the requests that get a block of this size."""

    def may_be_made_for(self, mem: int, request: int) -> bool:
        """Return whether a block in use begins at `mem`, and can be the one that was made for so many bytes."""

    def not_in_use(self) -> Mapping[str, int]:
        """Return the bytes that the allocator has and the program has not: "free_bytes", and others by published
        names."""
