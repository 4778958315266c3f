"""What a wild program counter tells: a call through NULL, a smashed return address, code where none can run. (Virtual
calls: vtables.)"""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.crashes.arrival import Arrival, came_by, is_on_stack, ran_on
from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.crashes.pointers import by_value
from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, Cause, Verdict
from gdbheap.analysis.facts.control import (
    InHeap,
    InNamedMapping,
    JumpedInto,
    JumpedIntoVsyscall,
    JumpedTo,
    JumpedToNull,
    NotCanonicalTarget,
    RanOn,
    ReturnedWrongly,
    TextOverStack,
)
from gdbheap.analysis.facts.places import KernelHalf, Nowhere, OnStack
from gdbheap.analysis.facts.pointers import ProgramCounterIs, ReturnAddressIs, TargetIs
from gdbheap.analysis.facts.processor import NoMultipleJumpedTo
from gdbheap.analysis.facts.stop import Holds
from gdbheap.analysis.mappings.zones import NULL_ZONE
from gdbheap.machine.instruction import RETURN
from gdbheap.process.fact import Fact
from gdbheap.process.signal_info import BUS_ADRALN, OF_ACCESSES, SI_KERNEL, SIGBUS, SIGSEGV


def wild_jumps(crash: CrashContext) -> Iterator[Verdict]:
    """Yield what is known where the program counter itself is the address that faulted."""
    signal = crash.stop.signal
    # (Where instructions are aligned, an address that is not comes as a SIGBUS.)
    is_bad = signal is not None and (signal.signal == SIGSEGV or (signal.signal, signal.code) == (SIGBUS, BUS_ADRALN))
    if not is_bad or not crash.is_fetch:
        return
    # Of an instruction that lies across a page's end the kernel names the page that its rest is in.
    counter = crash.fault_address if crash.fault_address is not None else crash.stop.thread.program_counter
    came = ran_on(crash, counter) or came_by(crash)
    if came.by_return:
        yield _returned(crash, counter if came.value is None else came.value, LIKELY, came.evidence)
    yield _jumped(crash, counter, came)
    vma = crash.vma(counter)
    if not came.ran_on and counter >= NULL_ZONE and (vma is None or vma.executable):
        small = (Cause.NULL_POINTER, Cause.NULL_PLUS_OFFSET)
        yield from (each for each in by_value(crash, counter, ProgramCounterIs(counter)) if each.cause not in small)


def _jumped(crash: CrashContext, counter: int, came: Arrival) -> Verdict:
    vma = crash.vma(counter)
    evidence = (*crash.surroundings(counter), *came.evidence)
    closed = vma is not None and not vma.executable
    if crash.stop.signal is not None and crash.stop.signal.signal == SIGBUS:
        alignment = min(crash.process.machine.calls)
        misaligned = NoMultipleJumpedTo(counter, alignment, came.how)
        return Verdict(Cause.BUS_MISALIGNED, CERTAIN, counter, misaligned, evidence, came.next)
    if came.ran_on:
        cause = Cause.JUMP_TO_UNMAPPED if vma is None else Cause.JUMP_TO_NON_EXECUTABLE
        return Verdict(cause, LIKELY, counter, RanOn(counter, _place(crash, counter)), evidence, came.next)
    if counter < NULL_ZONE:
        return Verdict(Cause.JUMP_TO_NULL, CERTAIN, counter, JumpedToNull(counter, came.how), came.evidence, came.next)
    if closed:
        found: Fact = JumpedInto(_place(crash, counter), came.how)
        return Verdict(Cause.JUMP_TO_NON_EXECUTABLE, CERTAIN, counter, found, evidence, came.next)
    where = KernelHalf() if crash.is_kernels(counter) else Nowhere()
    found = JumpedTo(counter, where, came.how)
    return Verdict(Cause.JUMP_TO_UNMAPPED, CERTAIN, counter, found, evidence, came.next)


def bad_targets(crash: CrashContext) -> Iterator[Verdict]:
    """Yield what is known where a `ret`, or an indirect jump or call, has a target that cannot exist: the kernel
    then names no address."""
    signal = crash.stop.signal
    if signal is None or signal.signal not in OF_ACCESSES or signal.code != SI_KERNEL:
        return
    instruction, counter = crash.instruction, crash.stop.thread.program_counter
    if crash.is_vsyscall(counter):
        # mirrors emulate_vsyscall(): SIGSEGV, and no address
        came, cause = came_by(crash), Cause.JUMP_TO_NON_EXECUTABLE
        yield Verdict(cause, CERTAIN, counter, JumpedIntoVsyscall(), came.evidence, came.next)
    elif instruction.flow == RETURN:
        slot = crash.stop.thread.stack_pointer
        value = crash.word_at(slot)
        if value is not None and not crash.is_canonical(value):
            fact = ReturnAddressIs(slot, value)
            yield _returned(crash, value, CERTAIN, (fact,))
            yield from by_value(crash, value, fact)
    else:
        yield from _bad_target(crash)


def _bad_target(crash: CrashContext) -> Iterator[Verdict]:
    instruction, target = crash.instruction, None
    if instruction.target is not None:
        target = crash.word_at(instruction.target.address)
    elif instruction.target_register:
        target = crash.stop.thread.registers.get(instruction.target_register)
    if target is None or crash.is_canonical(target):
        return
    how: Fact = Holds(instruction.target_register, target)
    if instruction.target is not None:
        how = TargetIs(instruction.target.text, target)
    next_steps = ("info registers", "up")
    yield Verdict(Cause.JUMP_TO_UNMAPPED, CERTAIN, target, NotCanonicalTarget(target), (how,), next_steps)
    yield from by_value(crash, target, how)


def _returned(crash: CrashContext, value: int, confidence: str, evidence: tuple[Fact, ...]) -> Verdict:
    data = value.to_bytes(crash.pointer_size, "little")
    text = data.decode("ascii") if all(0x20 <= byte < 0x7F for byte in data) else ""
    more = (TextOverStack(text),) if text else ()
    next_steps = (f"x/32gx {crash.stop.thread.stack_pointer - 128:#x}", "info frame")
    cause = Cause.RETURN_ADDRESS_OVERWRITTEN
    return Verdict(cause, confidence, value, ReturnedWrongly(), (*evidence, *more), next_steps)


def _place(crash: CrashContext, address: int) -> Fact:
    vma = crash.vma(address)
    chunk = crash.chunk(address)
    if chunk is not None:
        return InHeap(crash.in_chunk(chunk))
    if vma is None:
        return Nowhere()
    return OnStack() if is_on_stack(crash, address) else InNamedMapping(vma.path)
