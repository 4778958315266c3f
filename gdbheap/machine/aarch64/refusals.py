"""Instructions that an aarch64 processor refuses to programs, and its traps."""

from __future__ import annotations

import re

from gdbheap.machine.instruction import Instruction
from gdbheap.machine.refusal import Refusal, Why

# Exceptions that programs may not take or return from; maintenance of tables and caches that is the kernel's.
_OF_SYSTEMS = re.compile(r"hvc|smc|eret(a[ab])?|drps|dcps[123]|tlbip?|at|ldgm|stgm|stzgm")
_CACHES = re.compile(r"(i|c|ci)?(sw|gsw|gdsw)|i(g|gd)?vac|i(al)?luis|iallu(is)?")
_KERNEL_REGISTER = re.compile(r"\w+_el(1|2|3|12)|daif(set|clr)|spsel|pan|uao|allint|s\d_[1-7]_\w+")
# Programs have the registers of EL0, and the kernel reads for them what identifies a processor.
_REGISTERS = ("mrs", "msr", "mrrs", "msrr")
_IDENTITIES = re.compile(r"(m[iv]?pidr|midr|revidr|mpidr|id_\w+)_el1")
# gcc's __builtin_trap() and clang's; sanitizers that trap have their check in the lower byte.
_COMPILERS = frozenset((0x3E8, 1, *range(0x5500, 0x5600)))


def refusal(instruction: Instruction) -> Refusal | None:
    """Return why the processor refuses the instruction to a program; None where nothing is known that would."""
    mnemonic, operands = instruction.mnemonic, instruction.operands
    first = operands[0] if operands else ""
    if not mnemonic or mnemonic == ".inst" or (mnemonic, first) == ("udf", "#0"):
        return Refusal(Why.NO_INSTRUCTION)
    if mnemonic == "brk" and number_of(first) in _COMPILERS:
        return Refusal(Why.COMPILER_TRAP)
    if mnemonic == "udf":
        return Refusal(Why.COMPILER_TRAP)
    if _OF_SYSTEMS.fullmatch(mnemonic) or (mnemonic in ("dc", "ic") and _CACHES.fullmatch(first)):
        return Refusal(Why.KERNEL_OR_HYPERVISOR_ONLY)
    reads = mnemonic in _REGISTERS and any(_KERNEL_REGISTER.fullmatch(each) for each in operands)
    if reads and not (mnemonic == "mrs" and _IDENTITIES.fullmatch(operands[-1])):
        return Refusal(Why.KERNEL_OR_HYPERVISOR_ONLY)
    return None


def number_of(operand: str) -> int | None:
    """Return an immediate operand's value, None for another operand."""
    return int(operand[1:], 0) if re.fullmatch(r"#(0x[0-9a-f]+|\d+)", operand) else None
