"""The machines that gdbheap knows, and the names of those that it does not."""

from __future__ import annotations

from gdbheap.machine.aarch64.machines import AARCH64
from gdbheap.machine.machine import Machine
from gdbheap.machine.riscv64.machines import RISCV64
from gdbheap.machine.x86.machines import I386, X86_64

MACHINES = (X86_64, I386, AARCH64, RISCV64)

# Other values of e_machine (elf.h), by the names that their users know.
_OTHER_MACHINES = {
    8: "MIPS", 20: "PowerPC", 21: "PowerPC 64", 22: "s390", 40: "ARM", 62: "x32", 183: "aarch64 ILP32",
    243: "RISC-V", 258: "LoongArch",
}  # fmt: skip


# "x86-64, i386, aarch64 and riscv64"
KNOWN = f"{', '.join(each.name for each in MACHINES[:-1])} and {MACHINES[-1].name}"


def machine_of_elf(elf: int, pointer_size: int) -> Machine | None:
    """Return the machine of an ELF header's e_machine and class, None where gdbheap does not know it."""
    return next((each for each in MACHINES if (each.elf, each.pointer_size) == (elf, pointer_size)), None)


def machine_name(elf: int, pointer_size: int) -> str:
    """Return the name of a machine that is not one of MACHINES: "AArch64", "x32", else by its number, "ELF machine
    4711"."""
    name = _OTHER_MACHINES.get(elf)
    return name if name is not None else f"ELF machine {elf} ({8 * pointer_size} bits)"


def machine_of_size(pointer_size: int) -> Machine:
    """Return the x86 of this pointer size: for made processes, and where nothing else is known of one."""
    return X86_64 if pointer_size == X86_64.pointer_size else I386
