"""What the kernel must have said of a signal, where a core holds its number alone (no NT_SIGINFO): concluded from
the instruction, the registers and the mappings, by the model of the address space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gdbheap.analysis.call_stacks.whose_code import sends_signal
from gdbheap.analysis.mappings.accesses import ALLOWED, UNKNOWN, accesses
from gdbheap.analysis.mappings.zones import NULL_ZONE
from gdbheap.machine.instruction import EXECUTE, Instruction
from gdbheap.process.frame import Frame
from gdbheap.process.process import Process, Thread
from gdbheap.process.signal_info import (
    BUS_ADRALN,
    BUS_ADRERR,
    FPE_INTDIV,
    SEGV_ACCERR,
    SEGV_MAPERR,
    SI_KERNEL,
    SI_TKILL,
    SI_USER,
    SIGABRT,
    SIGBUS,
    SIGFPE,
    SIGILL,
    SIGSEGV,
    SIGSYS,
    SIGTRAP,
    SignalInfo,
)
from gdbheap.process.system_calls import is_at_own_trap, is_behind_system_call
from gdbheap.process.threads.thread_stacks import in_guard

_CODES = {"SIGSEGV SEGV_MAPERR": SEGV_MAPERR, "SIGSEGV SEGV_ACCERR": SEGV_ACCERR}
_SENDER_FRAMES = 6


def infer_signal(
    process: Process, thread: Thread, instruction: Instruction, frames: Sequence[Frame], own_pid: int | None
) -> SignalInfo | None:
    """Return the siginfo that fits the thread's signal; None where it has no fatal one, or an access brought it and
    the mappings are not known. What it cannot tell else it takes for a signal that was sent."""
    number = thread.signal
    if number in (SIGSEGV, SIGBUS):
        found = _access(process, thread, instruction, number)
        if found is not None or not process.address_space.known:
            return found
    counter = thread.program_counter
    if number == SIGTRAP and not is_at_own_trap(process, counter):
        return None  # gdb's own breakpoint or step
    sent = _sends(frames) or (number != SIGSYS and is_behind_system_call(process, counter))
    if number in (SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGSEGV) and not sent:
        divides = process.machine.code.divides_integers(instruction)
        code = {SIGILL: 2, SIGFPE: FPE_INTDIV if divides else 14, SIGSYS: 1}.get(number, SI_KERNEL)
        if number != SIGSEGV or _is_protected(process, instruction):
            return SignalInfo(number, code, 0, address=0 if number == SIGSEGV else counter)
    if number not in (SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGSEGV, SIGBUS, SIGABRT):
        return None
    # Where no name tells, who aborts has most often done it himself.
    if _sends(frames) or (number == SIGABRT and not any(frame.function for frame in frames[:_SENDER_FRAMES])):
        return SignalInfo(number, SI_TKILL, 0, sender=own_pid)
    return SignalInfo(number, SI_USER, 0)


def _sends(frames: Sequence[Frame]) -> bool:
    return any(map(sends_signal, frames[:_SENDER_FRAMES]))


def _access(process: Process, thread: Thread, instruction: Instruction, number: int) -> SignalInfo | None:
    """Return the first access of the instruction that brings the signal, as the kernel would tell it."""
    missing = None
    for address, access in _touched(process, thread, instruction):
        result = _result(process, address, access)
        if number == SIGSEGV and result in _CODES:
            return SignalInfo(number, _CODES[result], 0, address=address)
        if number == SIGSEGV and result == "SIGSEGV SI_KERNEL":
            return SignalInfo(number, SI_KERNEL, 0, address=0)
        if number == SIGBUS and access != EXECUTE and result in (ALLOWED, UNKNOWN):
            vma = process.address_space.find(address)
            if vma is not None and vma.is_file:
                return SignalInfo(number, BUS_ADRERR, 0, address=address)
            if thread.registers.get(process.machine.flags, 0) & process.machine.alignment_check:
                return SignalInfo(number, BUS_ADRALN, 0, address=0)
        may_be_mapped = not process.address_space.known and address >= NULL_ZONE
        if missing is None and process.address_space.find(address) is None and not may_be_mapped:
            missing = address
    if number == SIGSEGV and missing is None:
        missing = next(
            (address for address, _ in _touched(process, thread, instruction) if in_guard(process, address)), None
        )
    # The stack would have grown there, but for a limit that nobody here knows; or it is a guard that the mappings do
    # not show.
    return SignalInfo(number, SEGV_MAPERR, 0, address=missing) if number == SIGSEGV and missing is not None else None


def _touched(process: Process, thread: Thread, instruction: Instruction) -> Iterator[tuple[int, str]]:
    """Yield (address, access) of all that the instruction touches, in the order that the processor does: at most one
    in each page."""
    yield thread.program_counter, EXECUTE
    for operand in instruction.memory:
        yield operand.address, operand.access
        last = (operand.address + max(operand.size, 1) - 1) & process.machine.mask
        if last // process.page_size != operand.address // process.page_size:
            yield process.page_of(last), operand.access


def _result(process: Process, address: int, access: str) -> str:
    return next(each.result for each in accesses(process, address, None) if each.name == access)


def _is_protected(process: Process, instruction: Instruction) -> bool:
    """Whether the instruction can bring a general protection fault: by its alignment, for want of privilege, or by
    going to where no address can be."""
    alignment = instruction.alignment
    misaligned = alignment and any(each.address % alignment for each in instruction.memory)
    return bool(misaligned) or bool(instruction.flow) or not instruction.memory
