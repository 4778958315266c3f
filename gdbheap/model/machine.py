"""Machine: the state of one process's malloc (memory, parameters, arenas, threads) and the small reads and writes
all parts share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from gdbheap.model.errors import Abort, Unknown
from gdbheap.model.kernel import Kernel
from gdbheap.model.memory import ModelMemory
from gdbheap.model.sizes import Sizes
from gdbheap.model.traits import Traits

PREV_INUSE = 1
IS_MMAPPED = 2
NON_MAIN_ARENA = 4
FLAGS = 7

# FASTBIN_CONSOLIDATION_THRESHOLD (to 2.42) and ATTEMPT_TRIMMING_THRESHOLD (2.43): the same number
TRIM_SIZE = 0x10000

# One step of a call's path: what decides, and the numbers that belong to it.
Step = tuple[Union[str, int], ...]


@dataclass
class ModelThread:
    """What malloc keeps for a thread: addresses of its tcache struct and arena (0: none yet). `no_tcache`: there
    will be none (any more)."""

    tcache: int = 0
    arena: int = 0
    no_tcache: bool = False
    descriptor: int = 0
    ended: bool = False


class ModelMalloc:
    """The malloc of one process. Everything that glibc keeps in memory is in `memory`, laid out as glibc lays it out;
    TLS and the static variables that no struct holds are attributes.

    `steps` collects what decided the current call, for those who explain it.
    """

    def __init__(
        self, traits: Traits, memory: ModelMemory, kernel: Kernel, main_arena: int, mp: int, tcache_key: int = 0
    ) -> None:
        self.traits = traits
        self.memory = memory
        self.kernel = kernel
        self.page_size, self.page_up = kernel.page_size, kernel.page_up
        self.sizes = Sizes(traits)
        self.main_arena = main_arena
        self.mp = mp
        self.tcache_key = tcache_key
        self.load = memory.load
        self.store = memory.store
        self.steps: list[Step] = []
        self.threads = [ModelThread()]
        self.thread = self.threads[0]
        self.initialised = False
        self.single_threaded = True
        # None: not known; a fastbin that holds something tells, else the default is taken, and a step says so
        self.global_max_fast: int | None = 0
        self.narenas = 1
        self.narenas_limit = 0
        # None: not known, and what rests on it raises Unknown
        self.free_arenas: int | None = 0
        self.cores: int | None = 2
        self.next_to_use: int | None = 0
        self.aligned_heap_area: int | None = 0
        # where chunks are, for those who look at the state: malloc itself never asks
        self.main_stretches: list[int] = []
        self.mmapped_chunks: set[int] = set()
        self._constants()

    def _constants(self) -> None:
        pointer_size = self.pointer_size = self.traits.pointer_size
        self.header = 2 * pointer_size
        self.min_size = 4 * pointer_size
        self.align = self.traits.alignment
        self.mask = (1 << (8 * pointer_size)) - 1
        # offsets in malloc_chunk; prev_size is at 0
        self.SIZE, self.FD, self.BK, self.FD_NEXTSIZE, self.BK_NEXTSIZE = (
            pointer_size * index for index in range(1, 6)
        )
        # offsets in malloc_state
        self.HAVE_FASTCHUNKS = 8
        self.TOP = self.traits.arena_top
        self.LAST_REMAINDER = self.TOP + pointer_size
        self.BINS = self.TOP + 2 * pointer_size
        self.BINMAP = self.BINS + 254 * pointer_size
        self.NEXT = self.BINMAP + 16
        self.NEXT_FREE = self.NEXT + pointer_size
        self.ATTACHED_THREADS = self.NEXT + 2 * pointer_size
        self.SYSTEM_MEM = self.NEXT + 3 * pointer_size
        self.MAX_SYSTEM_MEM = self.NEXT + 4 * pointer_size
        self.FASTBINS = self.TOP - self.traits.fastbins * pointer_size
        self._mp = self.traits.mp_members()

    def step(self, what: str, *numbers: int) -> None:
        """Note what decides the current call."""
        self.steps.append((what, *numbers))

    # malloc_par

    def parameter(self, name: str) -> int:
        """Return a member of malloc_par."""
        offset, size = self._mp[name]
        return self.load(self.mp + offset) if size == self.pointer_size else self.memory.load32(self.mp + offset)

    def set_parameter(self, name: str, value: int) -> None:
        """Set a member of malloc_par."""
        offset, size = self._mp[name]
        if size == self.pointer_size:
            self.store(self.mp + offset, value)
        else:
            self.memory.store32(self.mp + offset, value)

    def expect_small_pages(self) -> None:
        """Raise Unknown where malloc uses huge pages, which are not modelled."""
        if self.traits.mp_huge_pages and (self.parameter("thp_pagesize") or self.parameter("hp_pagesize")):
            raise Unknown("how malloc gets memory in huge pages (glibc.malloc.hugetlb) is not known")

    def signed(self, value: int) -> int:
        """Return a word as a signed one (a long)."""
        value &= self.mask
        return value - self.mask - 1 if value > self.mask >> 1 else value

    # chunks

    def size_of(self, chunk: int) -> int:
        """Return a chunk's size without flags."""
        return self.load(chunk + self.pointer_size) & ~FLAGS

    def misaligned(self, chunk: int) -> bool:
        """Return whether a chunk's mem is off the alignment."""
        return bool((chunk + self.header) & (self.align - 1))

    def set_in_use(self, chunk: int, size: int) -> None:
        """Set the P bit of what follows a chunk of `size`."""
        at = chunk + size + self.pointer_size
        self.store(at, self.load(at) | PREV_INUSE)

    def arena_flag(self, arena: int) -> int:
        """Return the size flag of chunks that `arena` hands out."""
        return 0 if arena == self.main_arena else NON_MAIN_ARENA

    def arena_of(self, chunk: int) -> int:
        """Return the arena that a chunk says it is of (arena_for_chunk)."""
        if self.load(chunk + self.pointer_size) & NON_MAIN_ARENA:
            return self.load(self.heap_of(chunk))
        return self.main_arena

    def heap_of(self, address: int) -> int:
        """Return the start of the non-main heap around `address`."""
        return address & self.mask & -self.traits.heap_max

    def bin_at(self, arena: int, index: int) -> int:
        """Return the "chunk" whose fd and bk are the head of bin `index`."""
        return arena + self.BINS + (index - 2) * self.header

    def in_use(self, chunk: int) -> bool:
        """Return the P bit of the chunk behind."""
        return bool(self.load(chunk + self.size_of(chunk) + self.pointer_size) & PREV_INUSE)

    # links of single lists

    def protect(self, at: int, pointer: int) -> int:
        """Return what is stored at `at` for a link to `pointer`; its own inverse."""
        return (at >> 12) ^ pointer if self.traits.safe_linking else pointer

    def check(self, condition: bool, message: str) -> None:
        """Abort with `message` unless `condition`."""
        if not condition:
            raise Abort(message)

    def assert_that(self, condition: bool, expression: str) -> None:
        """Fail the assertion `expression` unless `condition`."""
        if not condition:
            raise Abort(expression, assertion=True)
