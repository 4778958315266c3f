"""A signal handler that ends the program with abort(): what it was called for is the story, and who sent that."""

from __future__ import annotations

from collections.abc import Sequence

from gdbheap.analysis.call_stacks.in_progress_call import parts
from gdbheap.analysis.call_stacks.whose_code import is_machinery, sends_signal
from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, Cause, Verdict
from gdbheap.analysis.facts.signals import SenderIs, SenderNotAsked, SentFrom, SignalCameAt, SignalSent
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
    number = handler.signal if handler.info is None else handler.info.signal
    name = "" if number is None else signal_name(number)
    info, by = handler.info, handler.function
    came = SignalCameAt(handler.level, name, handler.interrupted)
    next_steps = ("bt", f"frame {handler.level + 1}")
    if info is not None and info.code <= 0 and info.sender is not None and info.sender != crash.stop.own_pid:
        found = SignalSent(name, info.sender, False, None, by)
        evidence = (SenderIs(info.code, info.sender, crash.stop.own_pid), came)
        return Verdict(Cause.EXTERNAL_SIGNAL, CERTAIN, None, found, evidence, next_steps)
    if _is_own(crash, handler, outer[0]):
        sender = next((each for each in outer[0] if not is_machinery(each)), None)
        found = SignalSent(name, crash.stop.own_pid, True, None, by)
        return Verdict(Cause.PROGRAM_ABORT, CERTAIN, None, found, (SentFrom(sender), came), next_steps)
    found = SignalSent(name, None, False, None, by)
    return Verdict(Cause.EXTERNAL_SIGNAL, LIKELY, None, found, (came, SenderNotAsked()), next_steps)


def _is_own(crash: CrashContext, handler: Handler, interrupted: Sequence[Frame]) -> bool:
    if handler.info is not None and handler.info.code <= 0 and handler.info.sender == crash.stop.own_pid:
        return True
    return any(map(sends_signal, interrupted[:_SENDER_FRAMES]))
