"""Machine: all that differs from one machine to another, as one value. To port gdbheap is to make one of these, and
a room beside x86/."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CoreNotes:
    """Where a core's notes keep what: offsets in elf_prstatus and elf_prpsinfo (linux/elfcore.h), and the order of
    user_regs_struct."""

    registers: tuple[str, ...]
    pid: int
    register_block: int
    command: int
    arguments: int


@dataclass(frozen=True)
class Machine:
    """`name` as its users know it; `elf` its e_machine; `gdb` what gdb calls it (`show architecture`),
    `gdb_system_calls` the name of gdb's table of its system calls.

    Registers go by gdb's names, by their role: `general` may hold pointers (in the order in which they are told),
    `special` are the others that are read, `without_pointers` those of them that hold no address; `preserved` are
    those that a call leaves as they were; `arguments` are those that a call passes its first arguments in (() where
    they are on the stack) and `result` is where it returns a value. `thread_base` is the register that holds the
    thread pointer, "" where none that a debugger shows does.

    Addresses of programs have `address_bits` bits. `user_ends` are the ends of a program's address space that
    kernels make, the lowest first; from `kernel_start` on all addresses are the kernel's (None: a program has every
    one). `vsyscall` is the page of old system calls that the kernel has at one address in every process, None where
    there is none; `system_calls` are the instructions that call the kernel. `red_zone` are the bytes below the stack
    pointer that a function may use.
    """

    name: str
    elf: int
    gdb: str
    gdb_system_calls: str
    pointer_size: int
    general: tuple[str, ...]
    special: tuple[str, ...]
    without_pointers: tuple[str, ...]
    stack_pointer: str
    frame_pointer: str
    program_counter: str
    flags: str
    preserved: tuple[str, ...]
    arguments: tuple[str, ...]
    result: str
    thread_base: str
    address_bits: int
    user_ends: tuple[int, ...]
    kernel_start: int | None
    vsyscall: int | None
    system_calls: tuple[bytes, ...]
    red_zone: int
    core: CoreNotes

    @property
    def mask(self) -> int:
        """The largest value of a pointer."""
        return (1 << 8 * self.pointer_size) - 1

    def is_canonical(self, address: int) -> bool:
        """Whether the address can exist at all."""
        return self.kernel_start is None or address < 1 << self.address_bits or address >= self.kernel_start

    def is_kernels(self, address: int) -> bool:
        """Whether the address is in the kernel's half."""
        return self.kernel_start is not None and address >= self.kernel_start
