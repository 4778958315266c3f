"""Instructions that an x86 refuses to programs, and its traps."""

from __future__ import annotations

from gdbheap.lazy import regex
from gdbheap.machine.instruction import Instruction
from gdbheap.machine.refusal import Refusal, TrapBytes, Why

# A general protection fault outside the kernel (Intel's manual, volume 2, "Protected Mode Exceptions").
_PRIVILEGED = regex(
    r"(hlt|cli|sti|lgdt|lidt|lldt|ltr|lmsw|clts|invd|wbinvd|wbnoinvd|invlpg|invpcid|"
    r"rdmsr|wrmsr|rdpmc|xsetbv|swapgs|sys(ret|exit)[lq]?)$"
)
_CONTROL_REGISTER = regex(r"%?(cr|db|dr)\d+")
_PORTS = regex(r"(in|out|ins|outs)[bwld]?$")
# No instruction at all outside the kernel, or outside a hypervisor: SIGILL.
_OF_SYSTEMS = regex(
    r"(monitorx?|mwaitx?|vm\w+|getsec|rsm|clac|stac|encl[sv]|enclu|skinit|clgi|stgi|invept|invvpid|tdcall|seam\w+)$"
)
_FORBIDDEN = {"rdtsc": "prctl PR_SET_TSC", "rdtscp": "prctl PR_SET_TSC", "cpuid": "arch_prctl ARCH_SET_CPUID"}
_LOADS_STATE = regex(r"(v?ldmxcsr|xrstor\w*|fxrstor(64)?)$")
_SELECTORS = regex(r"(lret|ljmp|lcall|iret|retf)[lqw]?$")
_SEGMENT = regex(r"%?[c-gs]s")
_DIVISION = regex(r"i?div[bwlq]?$")
# Longest first: the last byte of `int $3` is no trap of its own.
_TRAPS = (
    TrapBytes(b"\xcd\x03", "int $3"),
    TrapBytes(b"\xcd\x04", "int $4", is_overflow=True),
    TrapBytes(b"\xcc", "int3"),
    TrapBytes(b"\xf1", "int1"),
)


def refusal(instruction: Instruction) -> Refusal | None:
    """Return why the processor refuses the instruction to a program; None where nothing is known that would."""
    mnemonic, operands = instruction.mnemonic, instruction.operands
    if not instruction.text:
        return None
    if not mnemonic or "(bad)" in instruction.text:
        return Refusal(Why.NO_INSTRUCTION)
    if mnemonic.startswith("ud"):
        return Refusal(Why.COMPILER_TRAP)
    if _OF_SYSTEMS.match(mnemonic):
        return Refusal(Why.KERNEL_OR_HYPERVISOR_ONLY)
    if instruction.text.startswith("lock "):
        return Refusal(Why.LOCK_PREFIX)
    if _PRIVILEGED.match(mnemonic):
        return Refusal(Why.KERNEL_ONLY)
    if mnemonic.startswith("mov") and any(_CONTROL_REGISTER.fullmatch(each) for each in operands):
        return Refusal(Why.KERNEL_REGISTER)
    if _PORTS.match(mnemonic):
        return Refusal(Why.INPUT_AND_OUTPUT)
    if mnemonic == "int":
        return Refusal(Why.INTERRUPT, operands[0].lstrip("$") if operands else "")
    if mnemonic in _FORBIDDEN:
        return Refusal(Why.FORBIDDEN, _FORBIDDEN[mnemonic])
    if _LOADS_STATE.match(mnemonic):
        return Refusal(Why.RESERVED_BITS)
    if _SELECTORS.match(mnemonic) or any(_SEGMENT.fullmatch(each) for each in operands):
        return Refusal(Why.SELECTOR)
    return None


def divides_integers(instruction: Instruction) -> bool:
    """Whether it is a div or idiv."""
    return _DIVISION.match(instruction.mnemonic) is not None


def is_undefined(code: bytes) -> bool:
    """Whether the bytes begin with what compilers put where the program must not come (ud2, ud1)."""
    return code.startswith((b"\x0f\x0b", b"\x0f\xb9"))


def trap_before(code: bytes) -> TrapBytes | None:
    """Return the trap that these bytes end with."""
    return next((each for each in _TRAPS if code.endswith(each.code)), None)
