"""A stopped process: what needs the debugger, asked once per stop and kept as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from gdbheap.lazy import dataclass
from gdbheap.machine.machine import Machine
from gdbheap.process.address_space import AddressSpace
from gdbheap.process.fact import Fact
from gdbheap.process.images.auxv import told_page_size
from gdbheap.process.memory import Memory, Words


@dataclass(frozen=True)
class Thread:
    """A thread. `number` is gdb's, `lwp` the kernel's; `registers` maps names (rax, fs_base, ...) to unsigned ints.

    `thread_pointer` is None where the target does not tell (an i386 process under most gdbs). `signal` is set for
    the thread that a core is of: what it died of, 0 where the core does not say.
    """

    number: int
    lwp: int
    name: str
    registers: Mapping[str, int]
    stack_pointer: int
    program_counter: int
    thread_pointer: int | None
    signal: int = 0


@dataclass(frozen=True)
class ModuleSegment:
    """A PT_LOAD in memory, [start, end): the file has bytes up to `file_end`, what follows is bss. `permissions` as
    the file asks for them ("r-x")."""

    start: int
    file_end: int
    end: int
    permissions: str


@dataclass(frozen=True)
class Module:
    """A loaded ELF file: `path` as the target names it, `file` where it can be opened here (None: nowhere),
    `load_base` what is added to the file's addresses, `build_id` in hex ("" unknown).

    `relro` is the range that ld.so makes read-only after it has relocated it.
    """

    path: str
    file: str | None
    load_base: int
    build_id: str = ""
    segments: tuple[ModuleSegment, ...] = ()
    relro: tuple[int, int] | None = None


# The stack, a program's highest mapping but for the kernel's, lies in the last 1 / 2**_NEAR_END of its address space.
_NEAR_END = 3


@dataclass(frozen=True)
class Process:
    """`kind` is "live" (a process on this machine), "remote" or "core"; `word` 8 or 4 bytes.

    `pid` is the process's in /proc, None where it means nothing on this machine; where the main thread has ended,
    /proc serves under another thread's id alone: `pid` is that, and `leader` the process's own. `unheld` are the
    lwps of threads that gdb was not attached to, `seconds_held` for how long it was held while what it has written was
    copied (None: it stands still as long as it is looked at). `main` is the executable, `auxv` the auxiliary
    vector by type ({} not known). `assumed_zeros` are the [start, end) of a core that read as zeros, for the
    process had never written there, unless it had asked for them to be left out (madvise(MADV_DONTDUMP)): the core
    does not tell the two apart. `stand_ins` are the (start, end, path) of a core's mappings that are read from a
    file of this machine, which is taken for the one that was mapped, `left_out` those of files that are nowhere, of
    which nobody tells whether they could be written. `holds_written` is False for a core from which a filter has
    left out all memory that the process wrote.
    """

    kind: str
    machine: Machine
    memory: Memory
    address_space: AddressSpace
    threads: tuple[Thread, ...]
    pid: int | None = None
    leader: int | None = None
    unheld: tuple[int, ...] = ()
    seconds_held: float | None = None
    modules: tuple[Module, ...] = ()
    main: Module | None = None
    auxv: Mapping[int, int] = field(default_factory=dict)
    notes: tuple[Fact, ...] = field(default=())
    assumed_zeros: tuple[tuple[int, int], ...] = ()
    stand_ins: tuple[tuple[int, int, str], ...] = ()
    left_out: tuple[tuple[int, int, str], ...] = ()
    holds_written: bool = True

    @property
    def own_id(self) -> int | None:
        """The process's own id: its main thread's, though that may have ended."""
        return self.pid if self.leader is None else self.leader

    @property
    def pointer_size(self) -> int:
        """8 or 4 bytes."""
        return self.machine.pointer_size

    @property
    def page_size(self) -> int:
        """How many bytes a page has: as the kernel tells the program, else as many as the machine's have at least."""
        return told_page_size(self.auxv) or self.machine.page_size

    @property
    def address_bits(self) -> int:
        """How many bits its addresses have: as the machine's programs get them without asking; the most that there
        are where this one has asked; or as many as its kernel has, where its stack, which lies near the end, tells."""
        machine = self.machine
        wide = (vma.end for vma in self.address_space.vmas if not vma.start >> machine.widest_bits)
        highest = max(wide, default=0)
        if highest > 1 << machine.address_bits:
            return machine.widest_bits
        end = next((each for each in machine.user_ends if highest <= each), 0)
        return (end - 1).bit_length() if end - highest < end >> _NEAR_END else machine.address_bits

    def is_canonical(self, address: int) -> bool:
        """Whether the address can exist at all, whatever its tag is."""
        machine, bits = self.machine, self.address_bits
        plain = address & machine.mask >> machine.tag_bits
        if bits < machine.address_bits and not machine.is_kernels(address):
            return not plain >> bits
        return machine.is_canonical(address) or (not plain >> machine.widest_bits and not plain >> bits)

    def page_of(self, address: int) -> int:
        """Return where the address's page begins."""
        return address & -self.page_size

    def page_after(self, address: int) -> int:
        """Return the address, rounded up to the start of a page."""
        return -(-address // self.page_size) * self.page_size

    def without_signature(self, address: int) -> int:
        """Return a saved return address without the signature that some processors give it (PAC)."""
        machine = self.machine
        return machine.without_signature(address, self.address_space.end) if machine.signed_bits else address

    @property
    def words(self) -> Words:
        """Single words of the memory."""
        return Words(self.memory, self.pointer_size)
