"""Why did it die? Every recogniser is asked, and the verdicts come best first."""

from __future__ import annotations

from gdbheap.analysis.faults.aborts import aborts
from gdbheap.analysis.faults.bus import bus_errors
from gdbheap.analysis.faults.control import bad_targets, wild_jumps, wild_vtables
from gdbheap.analysis.faults.heap_state import freed_sources, objects
from gdbheap.analysis.faults.in_malloc import crashes_in_malloc
from gdbheap.analysis.faults.instructions import instructions, refused
from gdbheap.analysis.faults.mappings import page_faults
from gdbheap.analysis.faults.pointers import bad_values
from gdbheap.analysis.faults.signals import arithmetic, non_canonical, others, system_calls
from gdbheap.analysis.faults.stacks import wild_stack_pointers
from gdbheap.analysis.faults.verdict import POSSIBLE, Recogniser, Scene, Verdict, best_first
from gdbheap.process.signal_info import FATAL

# Within one confidence, the earlier one names the cause and the later what it looked like.
_RECOGNISERS: tuple[Recogniser, ...] = (
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
    lambda scene: bad_values(scene) if _is_data_fault(scene) else iter(()),
    non_canonical,
    bus_errors,
    page_faults,
    objects,
)


def explain_stop(scene: Scene) -> list[Verdict]:
    """Return the verdicts on a stop by a signal, the best first; never empty. An ordinary stop is for the caller to recognise (is_fault)."""
    found = [verdict for recognise in _RECOGNISERS for verdict in recognise(scene)]
    if all(verdict.confidence == POSSIBLE for verdict in found):
        found += [each for each in (refused(scene),) if each is not None]
    return best_first(found) or [_unknown(scene)]


def is_fault(scene: Scene) -> bool:
    """Whether the stop is one by a fatal signal, rather than a breakpoint, a step, or an interrupt."""
    signal = scene.stop.signal
    return signal is not None and signal.signal in FATAL


def _is_data_fault(scene: Scene) -> bool:
    signal = scene.stop.signal
    address = scene.fault_address
    if signal is None or signal.signal not in (7, 11) or signal.code <= 0 or address is None:
        return False
    return not scene.is_fetch


def _unknown(scene: Scene) -> Verdict:
    signal = scene.stop.signal
    code = f"si_code {signal.code}, si_addr {signal.address}" if signal is not None else "no signal information"
    summary = f"{scene.stop.signal_name or 'the signal'} for a reason that gdbheap does not know"
    return Verdict(
        "unknown",
        POSSIBLE,
        scene.fault_address,
        summary,
        (f"the instruction is `{scene.stop.instruction}`", code),
        ("bt", "info registers"),
    )
