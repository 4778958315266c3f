"""Instructions that an aarch64 processor refuses to programs, and its traps."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gdbheap.lazy import regex
from gdbheap.machine.instruction import CALL, JUMP, Instruction
from gdbheap.machine.refusal import Refusal, Why

# Exceptions that programs may not take or return from; maintenance of tables and caches that is the kernel's.
_OF_SYSTEMS = regex(r"hvc|smc|eret(a[ab])?|drps|dcps[123]|tlbip?|at|ldgm|stgm|stzgm")
_CACHES = regex(r"(i|c|ci)?(sw|gsw|gdsw)|i(g|gd)?vac|i(al)?luis|iallu(is)?")
_KERNEL_REGISTER = regex(r"\w+_el(1|2|3|12)|daif(set|clr)|spsel|pan|uao|allint|s\d_[1-7]_\w+")
# Programs have the registers of EL0, and the kernel reads for them what identifies a processor.
_REGISTERS = ("mrs", "msr", "mrrs", "msrr")
_IDENTITIES = regex(r"(m[iv]?pidr|midr|revidr|mpidr|id_\w+)_el1")
# BTYPE in pstate: an indirect branch led to the instruction (blr makes it 2), which is none of the landing pads. It is
# kept for pages without landing pads too: that every processor has the instruction tells that it was this.
_BRANCH_SHIFT, _BY_CALL = 10, 2
_OF_ALL = regex(
    r"nop|mov[knz]?|adds?|subs?|adrp?|ands?|orr|eor|mul|neg|(ld|st)p|(ld|st)u?r[bh]?|cmp|tst|cb(n?z)|tb(n?z)|"
    r"bl?r?|b\.\w+|ret"
)
# A wrong code of a pointer's is refused at once where the processor has FPAC.
_AUTHENTICATES = regex(r"aut\w+|reta[ab]\w*|blra[ab]z?|bra[ab]z?|ldra[ab]")
# gcc's __builtin_trap() and clang's; sanitizers that trap have their check in the lower byte.
_COMPILERS = frozenset((0x3E8, 1, *range(0x5500, 0x5600)))


def refusal(instruction: Instruction, registers: Mapping[str, int]) -> Refusal | None:
    """Return why the processor refuses the instruction to a program; None where nothing is known that would."""
    mnemonic, operands = instruction.mnemonic, instruction.operands
    first = operands[0] if operands else ""
    if not instruction.text:
        return None
    if not mnemonic or mnemonic in (".inst", "udf"):
        return Refusal(Why.NO_INSTRUCTION)
    if mnemonic == "brk" and number_of(first) in _COMPILERS:
        return Refusal(Why.COMPILER_TRAP)
    if _AUTHENTICATES.fullmatch(mnemonic):
        return Refusal(Why.POINTER_CODE)
    if _OF_SYSTEMS.fullmatch(mnemonic) or (mnemonic in ("dc", "ic") and _CACHES.fullmatch(first)):
        return Refusal(Why.KERNEL_OR_HYPERVISOR_ONLY)
    reads = mnemonic in _REGISTERS and any(_KERNEL_REGISTER.fullmatch(each) for each in operands)
    if reads and not (mnemonic == "mrs" and _IDENTITIES.fullmatch(operands[-1])):
        return Refusal(Why.KERNEL_OR_HYPERVISOR_ONLY)
    branch = registers.get("cpsr", 0) >> _BRANCH_SHIFT & 3
    if branch and _OF_ALL.fullmatch(mnemonic):
        return Refusal(Why.BRANCH_TARGET, CALL if branch == _BY_CALL else JUMP)
    return None


def number_of(operand: str) -> int | None:
    """Return an immediate operand's value, None for another operand."""
    return int(operand[1:], 0) if re.fullmatch(r"#(0x[0-9a-f]+|\d+)", operand) else None
