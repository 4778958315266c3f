"""What some processors check beyond the mappings: tags of memory, where branches may lead, the stack's alignment."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.crashes.verdict import CERTAIN, Cause, Verdict
from gdbheap.analysis.facts.memory import OffBy
from gdbheap.analysis.facts.places import IntoChunk
from gdbheap.analysis.facts.processor import BranchNotAllowed, StackMisaligned, TagMismatch
from gdbheap.analysis.facts.stop import SignalCode, TheInstruction
from gdbheap.machine.instruction import CALL
from gdbheap.machine.refusal import Refusal
from gdbheap.process.fact import Fact
from gdbheap.process.signal_info import SEGV_MTEAERR, SEGV_MTESERR, SIGSEGV


def tag_mismatches(crash: CrashContext) -> Iterator[Verdict]:
    """Yield that a pointer's tag was not the memory's."""
    signal, address = crash.stop.signal, crash.fault_address
    if signal is None or signal.signal != SIGSEGV or signal.code not in (SEGV_MTEAERR, SEGV_MTESERR):
        return
    code = SignalCode(signal.code)
    if signal.code == SEGV_MTEAERR or address is None:
        yield Verdict(Cause.TAG_MISMATCH, CERTAIN, None, TagMismatch("", True), (code,), ("bt", "heap check"))
        return
    evidence: tuple[Fact, ...] = (code, *crash.surroundings(address))
    chunk, place = crash.chunk(address), crash.process.machine.untagged(address)
    if chunk is not None and crash.heap is not None:
        evidence += (IntoChunk(place - chunk.address - crash.heap.layout.header, crash.in_chunk(chunk)),)
    found = TagMismatch(crash.access_kind, False)
    yield Verdict(Cause.TAG_MISMATCH, CERTAIN, address, found, evidence, (f"explain {place:#x}", "bt"))


def branch_refused(crash: CrashContext, refusal: Refusal) -> Verdict:
    """Return that an indirect branch led where none may lead."""
    counter, found = crash.stop.thread.program_counter, BranchNotAllowed(refusal.detail == CALL)
    evidence = (TheInstruction(crash.instruction.text), *crash.surroundings(counter))
    return Verdict(Cause.BRANCH_TARGET, CERTAIN, counter, found, evidence, ("up", "x/4i $pc"))


def misaligned_stack(crash: CrashContext) -> Verdict | None:
    """Return that the stack pointer is not aligned, where the processor checks that and the instruction uses it."""
    machine, pointer = crash.process.machine, crash.stop.thread.stack_pointer
    past = pointer % machine.stack_alignment if machine.stack_alignment else 0
    used = next((each for each in crash.instruction.memory if each.base == machine.stack_pointer), None)
    if not past or used is None:
        return None
    found = StackMisaligned(machine.stack_alignment)
    evidence = (OffBy(machine.stack_pointer, pointer, past, machine.stack_alignment),)
    quoted = TheInstruction(crash.instruction.text)
    return Verdict(Cause.BUS_MISALIGNED, CERTAIN, pointer, found, (quoted, *evidence), ("bt", "info registers"))
