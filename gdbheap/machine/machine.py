"""Machine: all that differs from one machine to another, as one value. To port gdbheap is to make one of these, and
a room beside x86/."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gdbheap.lazy import dataclass
from gdbheap.machine.code import MachineCode

# The bytes of `trap_word`.
_WORD = 4


@dataclass(frozen=True)
class VectorNote:
    """Which `note` of a core has vector registers: `count` of a `family`, or `size` bytes of each, from `offset` on,
    one every `step` bytes (0: without gaps), the first of them number `first`. `state` is the bit of XSAVE's header
    that says that they are there (0: they always are), `within` the sizes of notes that are laid out so: [least, end).
    Where the processor has `wider` (bit of XCR0, family) the register that these are of has that name."""

    note: int
    family: str
    offset: int
    size: int
    count: int
    state: int = 0
    step: int = 0
    first: int = 0
    within: tuple[int, int] = (0, 1 << 32)
    wider: tuple[int, str] | None = None


@dataclass(frozen=True)
class CoreNotes:
    """Where a core's notes keep what: offsets in elf_prstatus and elf_prpsinfo (linux/elfcore.h), and the order of
    user_regs_struct. `segments` is the note with a thread's segments, `selector` the register that selects the one
    that its thread pointer is the base of (0, "": the machine has none); `thread_note` is the note whose first word is
    a thread's thread pointer (0: none has it); `vectors` say where the vector registers are. Of a thread there are all
    registers, or the first ones, but not fewer than `fewest` (0: all): gdb writes cores of machines that it has no form
    for in that of the machine that it runs on."""

    registers: tuple[str, ...]
    pid: int
    register_block: int
    command: int
    arguments: int
    segments: int = 0
    selector: str = ""
    thread_note: int = 0
    vectors: tuple[VectorNote, ...] = ()
    fewest: int = 0


@dataclass(frozen=True)
class SystemCalls:
    """How programs call the kernel: the `instructions` that do it, the registers that keep the call's `number` and its
    `arguments`. `epoll` are the numbers of epoll_wait(),
    epoll_pwait() and epoll_pwait2()."""

    instructions: tuple[bytes, ...]
    number: str
    arguments: tuple[str, ...]
    epoll: frozenset[int]


@dataclass(frozen=True)
class MallocConstants:
    """What is fixed when glibc's malloc is compiled: HEAP_MAX_SIZE; how many arenas it makes for each processor
    (NARENAS_FROM_NCORES); and the last of the large bins that are 64 bytes wide (largebin_index)."""

    heap_max: int
    arenas_per_processor: int
    last_narrow_bin: int


@dataclass(frozen=True)
class Machine:
    """`name` as its users know it; `elf` its e_machine; `gdb` what gdb calls it (`show architecture`).

    Registers go by gdb's names, by their role: `general` may hold pointers (in the order in which they are told),
    `special` are the others that are read, `without_pointers` those of them that hold no address; `vectors` are the
    families of wide ones (name, bits), of which one that a processor has holds those that follow, and `vector_words` is
    how gdb's value of one tells its words, `count` of them (members, the outermost first). `preserved` are
    those that a call leaves as they were; `arguments` are those that a call passes its first arguments in (() where
    they are on the stack) and `result` is where it returns a value. Compilers have an object in one of `objects`, the
    likeliest first, and libstdc++'s operator new its size in `size_of_new` while it calls malloc ("": on the stack).
    `flags` is "" where there are none. `thread_bases` are the names that debuggers have for the register that holds the
    thread pointer, () where none shows it.

    `page_size` is the smallest that kernels have: of a process that does not tell its own (AT_PAGESZ). Addresses of
    programs have `address_bits` bits. `user_ends` are the ends of a program's address space that kernels make, the
    lowest first; from `kernel_start` on all addresses are the kernel's (None: a program has every one). `vsyscall` is
    the page of old system calls that the kernel has at one address in every process, None where there is none.
    `heap_bits` are the bits in which the addresses of one heap may differ, and an address gone wrong by an offset is
    within `stray` bytes of a mapping. `aligns_large` tells whether kernels put large mappings at multiples of a huge
    page (__thp_get_unmapped_area()).

    `red_zone` are the bytes below the stack pointer that a function may use; `calls` the lengths of call instructions
    in bytes, the longest first; `traps` the instructions that stop a program behind them. `alignment_check` is the
    bit of the flags that makes every access be checked (0: there is none). `return_register` is where a call leaves its
    return address ("": on the stack); `trap_word` (mask, value) are the traps that stop a program at themselves, and
    `stack_alignment` what the stack pointer must be a multiple of wherever an address is made of it (0: of nothing).

    `thread_id` is offsetof(struct pthread, tid), `thread_record` at least sizeof(struct pthread), in glibc 2.31 to
    2.44. `tls_above`: thread-local storage begins above the thread pointer and struct pthread ends below it (TLS
    variant I); else it ends below it, and struct pthread begins there, with its own address. `thread_vector` is how far
    above the thread pointer tcbhead_t has the dtv (where `tls_above`, that is the first of its two words).

    `dwarf_registers` are the registers by the numbers that debug information has for them ("": one that is not read).

    `tag_bits` are the highest bits of a program's address that the processor takes for no part of it (TBI, MTE).
    `fetches_by_reading`: a fetch of an instruction first asks for a page that can be read.
    `hides_address`: the kernel tells no address of an access to one that cannot exist (a general protection fault).
    `signed_bits`: a saved return address may bear a signature (PAC) in those below this bit that no address has (0: it
    bears none).
    `widest_bits` are the bits of the addresses that a program gets where it asks for them (with five levels of page
    tables; 0: no more than others).
    """

    name: str
    elf: int
    gdb: str
    pointer_size: int
    general: tuple[str, ...]
    special: tuple[str, ...]
    without_pointers: tuple[str, ...]
    vectors: tuple[tuple[str, int], ...]
    vector_words: str
    stack_pointer: str
    frame_pointer: str
    program_counter: str
    flags: str
    preserved: tuple[str, ...]
    arguments: tuple[str, ...]
    result: str
    objects: tuple[str, ...]
    size_of_new: str
    thread_bases: tuple[str, ...]
    page_size: int
    address_bits: int
    user_ends: tuple[int, ...]
    kernel_start: int | None
    vsyscall: int | None
    heap_bits: int
    stray: int
    aligns_large: bool
    red_zone: int
    calls: tuple[int, ...]
    traps: tuple[bytes, ...]
    alignment_check: int
    thread_id: int
    thread_record: int
    thread_vector: int
    system_calls: SystemCalls
    malloc: MallocConstants
    core: CoreNotes
    load_code: Callable[[], MachineCode]
    dwarf_registers: tuple[str, ...] = ()
    tls_above: bool = False
    tag_bits: int = 0
    signed_bits: int = 0
    widest_bits: int = 0
    return_register: str = ""
    trap_word: tuple[int, int] | None = None
    stack_alignment: int = 0
    hides_address: bool = False
    fetches_by_reading: bool = False

    @property
    def code(self) -> MachineCode:
        """What only the machine's own code can tell. (It is loaded when it is needed.)"""
        return self.load_code()

    @property
    def mask(self) -> int:
        """The largest value of a pointer."""
        return (1 << 8 * self.pointer_size) - 1

    @property
    def spare_bits(self) -> int:
        """How many bits a pointer has above all addresses of programs: room for tags."""
        return 8 * self.pointer_size - self.address_bits

    @property
    def thread_head(self) -> int:
        """Where `tls_above`, how many bytes at the thread pointer are tcbhead_t's."""
        return self.thread_vector + 2 * self.pointer_size

    def is_stopped_by_trap(self, before: bytes, at: bytes) -> bool:
        """Whether a trap of the program's own is what stops it, by the bytes before the program counter and those at
        it."""
        if self.trap_word is None:
            return before.endswith(self.traps)
        mask, value = self.trap_word
        return len(at) >= _WORD and int.from_bytes(at[:_WORD], "little") & mask == value

    def untagged(self, address: int) -> int:
        """Return a program's address without its tag; what is none with and without, as it is."""
        plain = address & self.mask >> self.tag_bits
        return plain if plain < 1 << self.address_bits else address

    def without_signature(self, address: int, highest: int) -> int:
        """Return a saved return address without its signature; `highest` is the end of the highest mapping, which tells
        how many bits the kernel's addresses have."""
        if not self.signed_bits or address >> self.signed_bits:
            return address
        return address & next((end for end in self.user_ends if highest <= end), 1 << self.signed_bits) - 1

    def is_same_but_for_tag(self, one: int, other: int) -> bool:
        """Whether the processor takes both for one address."""
        return not (one ^ other) & self.mask >> self.tag_bits

    def thread_pointer(self, registers: Mapping[str, int]) -> int | None:
        """Return a thread's thread pointer out of its registers, None where a debugger did not show it."""
        return next((registers[name] for name in self.thread_bases if name in registers), None)

    @property
    def first_argument(self) -> str:
        """The first argument of a function that was just called, as a gdb expression."""
        if self.arguments:
            return f"${self.arguments[0]}"
        return f"*(unsigned int *)(${self.stack_pointer} + {self.pointer_size})"

    def is_canonical(self, address: int) -> bool:
        """Whether the address can exist at all, whatever its tag is."""
        address = self.untagged(address)
        return self.kernel_start is None or address < 1 << self.address_bits or address >= self.kernel_start

    def is_kernels(self, address: int) -> bool:
        """Whether the address is in the kernel's half."""
        return self.kernel_start is not None and address >= self.kernel_start
