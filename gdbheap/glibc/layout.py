"""Layout: where glibc's malloc keeps its things in this process, how they are laid out, and how each was learnt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from functools import cached_property

from gdbheap.lazy import dataclass
from gdbheap.machine.machine import Machine
from gdbheap.process.cstruct import CStruct
from gdbheap.process.fact import Fact
from gdbheap.process.memory import SMALLEST_PAGE

# How a fact was learnt, the surest first.
SYMBOL = "symbol"
DWARF = "dwarf"
SIGNATURE = "signature"
BUILT_IN = "built-in"


@dataclass(frozen=True)
class Located:
    """An address (or value) and how it was learnt: one of SYMBOL, DWARF, SIGNATURE, BUILT_IN."""

    value: int
    source: str


@dataclass(frozen=True)
class ThreadMalloc:
    """What one thread keeps for malloc: the addresses of its tcache struct and of its arena. They are None where the
    thread has none (yet) or where it is not known; `reason` says which of the two, and why (None when both are
    there), and `is_known` is False where it is not known. `wild_tcache` is where the thread's pointer to its
    tcache is and what it holds, where a symbol tells the place and no tcache can be there."""

    number: int
    lwp: int
    tcache: Located | None
    arena: Located | None
    reason: Fact | None = None
    is_known: bool = True
    wild_tcache: tuple[int, int] | None = None


@dataclass(frozen=True)
class Layout:
    """Everything the decoders need to know. All sizes in bytes.

    `main_arena` and `mp` are addresses; `brk` is the
    program break itself, as sbrk(0) would return it.

    `safe_linking`, `mmapped_overhead` and `tcache_key` are None where this could not be told from symbols or real data.
    `mmapped_overhead` is what an mmapped chunk's size leaves out of its mapping: 0 to glibc 2.42, 2 words from 2.43.
    `heap_max` is the alignment and reserve of a non-main heap (HEAP_MAX_SIZE).
    `statics` are the values of malloc's static variables (locate/statics.py), by name, those that symbols tell of.
    `missing` tells, for each thing that is None, why and what would mend it.
    """

    machine: Machine
    alignment: int
    malloc_state: CStruct
    heap_info: CStruct
    main_arena: Located
    malloc_par: CStruct | None = None
    tcache_struct: CStruct | None = None
    mp: Located | None = None
    brk: Located | None = None
    threads: tuple[ThreadMalloc, ...] = ()
    safe_linking: bool | None = None
    mmapped_overhead: int | None = None
    tcache_key: int | None = None
    global_max_fast: int | None = None
    heap_max: int = 64 << 20
    page_size: int = SMALLEST_PAGE
    statics: Mapping[str, int] = field(default_factory=dict)
    libc_path: str = ""
    glibc_version: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, Fact] = field(default_factory=dict)
    notes: tuple[Fact, ...] = ()

    @cached_property
    def pointer_size(self) -> int:
        """8 or 4 bytes."""
        return self.machine.pointer_size

    @cached_property
    def min_size(self) -> int:
        """MINSIZE: the smallest chunk."""
        return 4 * self.pointer_size

    @cached_property
    def header(self) -> int:
        """From a chunk's address to its mem: prev_size and size."""
        return 2 * self.pointer_size

    @property
    def unknown_tcaches(self) -> tuple[ThreadMalloc, ...]:
        """The threads that may well have a tcache, of which it is not known where."""
        return tuple(each for each in self.threads if each.tcache is None and not each.is_known)

    @property
    def has_fastbins(self) -> bool:
        """Whether arenas keep fastbins (to glibc 2.42)."""
        return "fastbinsY" in self.malloc_state
