"""What SIGILL, SIGTRAP and the general protection faults of single instructions are about: traps, privileges,
alignment, refused operands."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, CrashContext, Verdict
from gdbheap.errors import MemoryFault
from gdbheap.machine.instruction import MemoryOperand
from gdbheap.process.signal_info import OF_ACCESSES, SI_KERNEL, SIGILL, SIGSEGV, SIGTRAP

# A general protection fault outside the kernel (Intel's manual, volume 2, "Protected Mode Exceptions").
_PRIVILEGED = re.compile(
    r"(hlt|cli|sti|lgdt|lidt|lldt|ltr|lmsw|clts|invd|wbinvd|wbnoinvd|invlpg|invpcid|"
    r"rdmsr|wrmsr|rdpmc|xsetbv|swapgs|sys(ret|exit)[lq]?)$"
)
_CONTROL_REGISTER = re.compile(r"%?(cr|db|dr)\d+")
_PORTS = re.compile(r"(in|out|ins|outs)[bwld]?$")
# No instruction at all outside the kernel, or outside a hypervisor: SIGILL.
_OF_SYSTEMS = re.compile(
    r"(monitorx?|mwaitx?|vm\w+|getsec|rsm|clac|stac|encl[sv]|enclu|skinit|clgi|stgi|invept|invvpid|tdcall|seam\w+)$"
)
_FORBIDDEN = {"rdtsc": "prctl PR_SET_TSC", "rdtscp": "prctl PR_SET_TSC", "cpuid": "arch_prctl ARCH_SET_CPUID"}
_LOADS_STATE = re.compile(r"(v?ldmxcsr|xrstor\w*|fxrstor(64)?)$")
_SELECTORS = re.compile(r"(lret|ljmp|lcall|iret|retf)[lqw]?$")
_SEGMENT = re.compile(r"%?[c-gs]s")
_TRAPS = {
    b"\xcc": "the byte before the program counter is 0xcc, and not gdb's",
    b"\xf1": "the byte before the program counter is 0xf1 (int1)",
}
_LONG_INT3, _INT4 = b"\xcd\x03", b"\xcd\x04"


def instructions(crash: CrashContext) -> Iterator[Verdict]:
    """Yield what SIGILL, SIGTRAP and the general protection faults of single instructions are about."""
    signal = crash.stop.signal
    if signal is None or signal.code <= 0:
        return
    if signal.signal == SIGILL:
        yield _illegal(crash)
    elif signal.signal == SIGTRAP:
        yield _trap(crash)
    elif signal.signal in OF_ACCESSES and signal.code == SI_KERNEL:
        yield from _privileged(crash)
        yield from _misaligned(crash)


def refused(crash: CrashContext) -> Verdict | None:
    """Return that the processor refused an instruction for what its operands hold, where nothing else is known of a
    general protection fault."""
    signal, instruction = crash.stop.signal, crash.instruction
    if signal is None or signal.signal != SIGSEGV or signal.code != SI_KERNEL or not instruction.mnemonic:
        return None
    why = "what it was given is not allowed (a reserved bit, an index, a selector)"
    if _LOADS_STATE.match(instruction.mnemonic):
        why = "bits are set in what it loads that must be zero"
    elif _SELECTORS.match(instruction.mnemonic) or any(_SEGMENT.fullmatch(each) for each in instruction.operands):
        why = "a segment selector is not valid"
    summary = f"the processor refused {instruction.mnemonic} (a general protection fault): {why}"
    evidence = (
        f"the instruction is `{instruction.text}`",
        "si_code is SI_KERNEL and si_addr 0: it was no page fault",
        *(f"{each.text} is {each.address:#x}" for each in instruction.memory),
    )
    return Verdict(
        "general_protection",
        LIKELY,
        crash.stop.thread.program_counter,
        summary,
        evidence,
        ("info registers", "x/4i $pc"),
    )


def _illegal(crash: CrashContext) -> Verdict:
    counter, text, mnemonic = crash.stop.thread.program_counter, crash.instruction.text, crash.instruction.mnemonic
    quoted = f"the instruction is `{text}`"
    if mnemonic.startswith("ud"):
        summary = (
            "the program ran into a trap that the compiler put there (__builtin_trap, unreachable code, or a "
            "sanitizer's check)"
        )
        return Verdict("trap_instruction", CERTAIN, counter, summary, (quoted,), ("up", "list"))
    if _OF_SYSTEMS.match(mnemonic):
        summary = f"{mnemonic} may be executed by the kernel or a hypervisor only"
        return Verdict("privileged_instruction", CERTAIN, counter, summary, (quoted,), ("x/4i $pc",))
    sure = CERTAIN
    if not mnemonic or "(bad)" in text:
        summary = "what is run is no instruction: the program went astray, or its code was written over"
    elif text.startswith("lock "):
        summary = f"{mnemonic} allows no lock prefix: what is run was hardly meant as code"
    else:
        sure = LIKELY
        summary = (
            f"this processor does not know the instruction {mnemonic}: the code was built for another, or what "
            "is run is no code"
        )
    evidence = (quoted, *crash.surroundings(counter))
    return Verdict("illegal_instruction", sure, counter, summary, evidence, ("x/8i $pc", "info symbol $pc"))


def _trap(crash: CrashContext) -> Verdict:
    counter = crash.stop.thread.program_counter
    before = _bytes(crash, counter - 2)
    fact = _TRAPS.get(before[1:], f"si_code is {crash.stop.signal.code if crash.stop.signal else 0}")
    if before == _LONG_INT3:
        fact = "the bytes before the program counter are 0xcd 0x03 (int $3)"
    summary = "the program itself holds a breakpoint instruction (int3)"
    return Verdict("trap_instruction", CERTAIN, counter, summary, (fact,), ("up", "list"))


def _bytes(crash: CrashContext, address: int) -> bytes:
    try:
        return crash.process.memory.read(address, 2)
    except (MemoryFault, OverflowError):
        return b""


def _privileged(crash: CrashContext) -> Iterator[Verdict]:
    instruction = crash.instruction
    mnemonic = instruction.mnemonic
    if _PRIVILEGED.match(mnemonic) or (
        mnemonic.startswith("mov") and any(_CONTROL_REGISTER.fullmatch(each) for each in instruction.operands)
    ):
        summary = f"{mnemonic} may be executed by the kernel only"
        if not _PRIVILEGED.match(mnemonic):
            summary = "control and debug registers belong to the kernel"
    elif _PORTS.match(mnemonic):
        summary = f"{mnemonic} needs the right to input and output (ioperm), which the program does not have"
    elif mnemonic == "int":
        summary = (
            f"no program may raise interrupt {instruction.operands[0].lstrip('$') if instruction.operands else ''}"
        )
    elif mnemonic in _FORBIDDEN:
        summary = f"{mnemonic} has been forbidden to the program ({_FORBIDDEN[mnemonic]})"
    elif _bytes(crash, crash.stop.thread.program_counter - 2) == _INT4:
        fact = "the bytes before the program counter are 0xcd 0x04"
        counter, summary = crash.stop.thread.program_counter, "the program raised the overflow trap (int $4)"
        yield Verdict("trap_instruction", LIKELY, counter, summary, (fact,), ("up", "list"))
        return
    else:
        return
    quoted = (f"the instruction is `{instruction.text}`",)
    counter = crash.stop.thread.program_counter
    yield Verdict("privileged_instruction", CERTAIN, counter, summary, quoted, ("x/4i $pc",))


def _misaligned(crash: CrashContext) -> Iterator[Verdict]:
    instruction, alignment = crash.instruction, crash.instruction.alignment
    access = next(iter(instruction.memory), None)
    if not alignment or access is None or not crash.is_canonical(access.address) or not access.address % alignment:
        return
    summary = (
        f"{instruction.mnemonic} needs an address that is a multiple of {alignment}; {_why_misaligned(crash, access)}"
    )
    evidence = (f"{access.text} is {access.address:#x}, {access.address % alignment} past a multiple of {alignment}",)
    yield Verdict("misaligned_sse", CERTAIN, access.address, summary, evidence, ("info registers", "up"))


def _why_misaligned(crash: CrashContext, access: MemoryOperand) -> str:
    """Compilers count on the stack's alignment where they name its registers; other registers hold what the program
    made of them."""
    machine = crash.process.machine
    near = abs(access.address - crash.stop.thread.stack_pointer) < 1 << 16
    if near and access.base in (machine.stack_pointer, machine.frame_pointer):
        return "the stack is not aligned to 16 bytes: a call from assembly, or a wrong calling convention"
    return "the data is not aligned" + (" (it is on the stack)" if near else "")
