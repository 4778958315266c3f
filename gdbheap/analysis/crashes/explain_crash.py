"""Why did it die? Every detector is asked, and the verdicts come best first."""

from __future__ import annotations

from dataclasses import replace

from gdbheap.analysis.crashes.aborts import aborts
from gdbheap.analysis.crashes.bus import bus_errors
from gdbheap.analysis.crashes.control import bad_targets, wild_jumps
from gdbheap.analysis.crashes.crash_context import CrashContext, Detector
from gdbheap.analysis.crashes.heap_state import freed_sources, objects
from gdbheap.analysis.crashes.in_malloc import crashes_in_malloc
from gdbheap.analysis.crashes.instructions import instructions, refused
from gdbheap.analysis.crashes.locks import deadlocks
from gdbheap.analysis.crashes.mappings import page_faults
from gdbheap.analysis.crashes.no_memory import null_from_malloc
from gdbheap.analysis.crashes.pointers import bad_values
from gdbheap.analysis.crashes.processor import tag_mismatches
from gdbheap.analysis.crashes.signals import arithmetic, non_canonical, others, system_calls
from gdbheap.analysis.crashes.stacks import wild_stack_pointers
from gdbheap.analysis.crashes.unloaded import unloaded_code
from gdbheap.analysis.crashes.verdict import POSSIBLE, Cause, Verdict, best_first
from gdbheap.analysis.crashes.vtables import wild_vtables
from gdbheap.analysis.facts.signals import NotExplained
from gdbheap.analysis.facts.stop import NoSignalInformation, SignalAddress, TheInstruction
from gdbheap.process.fact import Fact
from gdbheap.process.signal_info import FATAL, OF_ACCESSES

# Within one confidence, the earlier one names the cause and the later what it looked like.
_DETECTORS: tuple[Detector, ...] = (
    others,
    aborts,
    crashes_in_malloc,
    arithmetic,
    instructions,
    system_calls,
    wild_vtables,
    wild_jumps,
    bad_targets,
    wild_stack_pointers,
    freed_sources,
    unloaded_code,
    null_from_malloc,
    lambda crash: bad_values(crash) if _is_data_fault(crash) else iter(()),
    non_canonical,
    bus_errors,
    tag_mismatches,
    page_faults,
    objects,
)


def explain_stop(crash: CrashContext) -> list[Verdict]:
    """Return the verdicts on a stop by a signal, the best first; never empty. An ordinary stop is for the caller to
    recognise (is_fault)."""
    found = [verdict for detect in _DETECTORS for verdict in detect(crash)]
    # Who is asked to stop because he hangs, hangs before he is asked.
    found = [*found, *deadlocks(crash)] if _is_by_instruction(crash) else [*deadlocks(crash), *found]
    if any(verdict.cause is Cause.UNLOADED_CODE for verdict in found):
        # What ld.so has freed with a library holds the library's addresses.
        found = [each for each in found if (each.cause, each.confidence) != (Cause.FREED_CHUNK, POSSIBLE)]
    if all(verdict.confidence == POSSIBLE for verdict in found):
        found += [each for each in (refused(crash),) if each is not None]
    return [_quoting(each) for each in best_first(found) or [_unknown(crash)]]


def _quoting(verdict: Verdict) -> Verdict:
    """Return the verdict without the instruction that nobody has decoded."""
    return replace(verdict, evidence=tuple(each for each in verdict.evidence if each != TheInstruction("")))


def is_fault(crash: CrashContext) -> bool:
    """Whether the stop is one by a fatal signal, rather than a breakpoint, a step, or an interrupt."""
    signal = crash.stop.signal
    return signal is not None and signal.signal in FATAL


def _is_by_instruction(crash: CrashContext) -> bool:
    return crash.stop.signal is not None and crash.stop.signal.code > 0


def _is_data_fault(crash: CrashContext) -> bool:
    signal = crash.stop.signal
    address = crash.fault_address
    if signal is None or signal.signal not in OF_ACCESSES or signal.code <= 0 or address is None:
        return False
    return not crash.is_fetch


def _unknown(crash: CrashContext) -> Verdict:
    signal = crash.stop.signal
    code: Fact = NoSignalInformation() if signal is None else SignalAddress(signal.code, signal.address)
    evidence = (TheInstruction(crash.stop.instruction), code)
    found, next_steps = NotExplained(crash.stop.signal_name), ("bt", "info registers")
    return Verdict(Cause.UNKNOWN, POSSIBLE, crash.fault_address, found, evidence, next_steps)
