"""A signal handler that ends the program with abort(): what it was called for is the story, and who sent that."""

from __future__ import annotations

from collections.abc import Sequence

from gdbheap.analysis.call_stacks.in_progress_call import parts
from gdbheap.analysis.call_stacks.whose_code import is_machinery, sends_signal
from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, CrashContext, Verdict
from gdbheap.process.frame import Frame
from gdbheap.process.signal_info import signal_name
from gdbheap.process.stop import Handler

_SENDER_FRAMES = 6


def aborted_in_handler(crash: CrashContext) -> Verdict | None:
    """Return the verdict on an abort() that a signal handler has called; None where none has."""
    handler = next(iter(crash.stop.handlers), None)
    inner, *outer = parts(crash.stop.frames)
    if handler is None or not outer or all(map(is_machinery, inner)):
        return None
    name = "a signal" if handler.signal is None else signal_name(handler.signal)
    info = handler.info
    if info is not None:
        name = signal_name(info.signal)
    calls = f"{handler.function or 'its handler'} handled it by abort()"
    came = f"frame {handler.level} is where {name} came" + (
        f", in {handler.interrupted}" if handler.interrupted else ""
    )
    next_steps = ("bt", f"frame {handler.level + 1}")
    if info is not None and info.code <= 0 and info.sender is not None and info.sender != crash.stop.own_pid:
        who = f"process {info.sender}" if info.sender else "the kernel or a process outside this one's pid namespace"
        fact = f"si_code is {info.code}, si_pid {info.sender}, this process is {crash.stop.own_pid}"
        summary = f"{who} sent {name}, and {calls}: the program did not give itself up"
        return Verdict("external_signal", CERTAIN, None, summary, (fact, came), next_steps)
    if _is_own(crash, handler, outer[0]):
        by = next((each for each in outer[0] if not is_machinery(each)), None)
        fact = f"it was sent from {by.words}" if by is not None else "it was sent from the program itself"
        return Verdict(
            "program_abort", CERTAIN, None, f"the program sent itself {name}, and {calls}", (fact, came), next_steps
        )
    summary = f"{name} came, probably from outside, and {calls}"
    fact = "who sent it is not known: the handler did not ask for it (SA_SIGINFO)"
    return Verdict("external_signal", LIKELY, None, summary, (came, fact), next_steps)


def _is_own(crash: CrashContext, handler: Handler, interrupted: Sequence[Frame]) -> bool:
    if handler.info is not None and handler.info.code <= 0 and handler.info.sender == crash.stop.own_pid:
        return True
    return any(map(sends_signal, interrupted[:_SENDER_FRAMES]))
