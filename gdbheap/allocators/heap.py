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
    from gdbheap.process.live.resident_pages import ResidentPages

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


@dataclass(frozen=True)
class HeapPart:
    """All pieces of the allocator's memory that are of one kind, by its published `name` ("in_use", "unsorted"): where
    each begins and what it takes. `is_free`: malloc may give them out."""

    name: str
    start: NDArray[np.uint64]
    size: NDArray[np.uint64]
    is_free: bool = False


@dataclass(frozen=True)
class HeapTop:
    """An arena's top and what keeps it from going down: `pin` is the chunk right below it (address, size, state), None
    where there is none.

    `free_below` are the bytes of the free chunks right below the pin, which would join top if it were freed;
    `resident` is top's own part, `free` and `free_resident` all free chunks of the arena. `trimmable` is what
    malloc_trim(0) would give back of them and of top, `by_threshold` what the next larger free() would of top alone
    if trim_threshold were the default, both in bytes of resident pages.
    """

    arena: int
    address: int
    size: int
    pin: tuple[int, int, str] | None
    free_below: int
    resident: int | None
    free: int
    free_resident: int | None
    trimmable: int | None
    by_threshold: int | None = None


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

    def parts(self) -> Iterable[HeapPart]:
        """Return all of it by what it is; a piece is in one part."""

    def tops(self, process: Process, pages: ResidentPages | None) -> Iterable[HeapTop]:
        """Return the ends of it that could go back to the system; `pages` are those in memory (None: not known)."""

    def trim_threshold(self, process: Process) -> int | None:
        """Return how many bytes at such an end the allocator keeps before it gives them back by itself; None where
        that is not known, or never happens."""

    def size_of(self, request: int) -> int:
        """Return what a block of so many bytes takes of the allocator's memory."""

    def requests_of(self, size: int) -> range:
        """Return the requests that get a block of this size."""

    def largest_size_of(self, request: int) -> int:
        """Return the size of the largest block that a request may get which has no mapping of its own."""

    def may_be_made_for(self, mem: int, request: int) -> bool:
        """Return whether a block in use begins at `mem`, and can be the one that was made for so many bytes."""

    def not_in_use(self) -> Mapping[str, int]:
        """Return the bytes that the allocator has and the program has not: "free_bytes", and others by published
        names."""
