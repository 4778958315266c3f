"""Allocations seen while the process runs: its calls of malloc's functions are trapped, some in a row, and between two
such bursts the process runs freely for as long as keeps what was asked: that it be held for a small part of the time.

Everything is taken back at the end, whatever ends it.
"""

from __future__ import annotations

import math
import random
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import gdb

from gdbheap.inside_gdb.freed_samples import FreedSamples
from gdbheap.inside_gdb.one_process import kept_to_one_process
from gdbheap.inside_gdb.record_alarm import ALARM_NAME, Alarm, handled, silence
from gdbheap.inside_gdb.running_memory import RunningMemory
from gdbheap.inside_gdb.signals import is_fatal, taken_signals
from gdbheap.inside_gdb.trapped_calls import TrappedCalls, delete_traps
from gdbheap.process.process import Process
from gdbheap.process.recording import FOLLOWED_LONG, Recording, RecordingEnd, Sample, Sampling

# So many calls are sampled in a row; every second time more, for what many other calls come after before it is freed.
_BURST, _LONG_BURST = 150, 600
# No burst holds the process for longer than this, in seconds: who waits for it is to notice little.
_LONGEST = 0.1
# After so many seconds it is looked which of the sampled blocks are freed by now, before others take their place: of a
# burst's own every moment at first (a server that is busy frees a request's blocks and hands them out anew at once).
_GLANCES = tuple(0.00005 * each for each in range(60))
_LOOKS = (0.006, 0.025)
# After this part of the time it is asked what to look for in the rest.
_FOCUS_AFTER = 0.4
# So much of what is allowed is used: to let the process run and to stop it takes some, too.
_KEPT = 0.93
# A burst costs so much of what the one before did: the stacks that they have in common are known by then.
_CHEAPER = 0.4
# So short a while is not worth a stop.
_SOONEST = 0.0002


def record(process: Process, sampling: Sampling) -> Recording:
    """Let the process run, and return what was seen of its allocations. It is stopped again at the end, unless it has
    ended. gdb.error where it cannot be run."""
    memory = RunningMemory(process.pid or 0, process.pointer_size)
    try:
        with ExitStack() as kept, kept_to_one_process() as set_aside:
            kept.enter_context(handled(ALARM_NAME, "stop print nopass"))
            for name in taken_signals(gdb.selected_inferior().pid):
                kept.enter_context(handled(name, "nostop noprint pass"))
            return replace(_Recorder(process, sampling, memory).record(), set_aside=set_aside)
    finally:
        delete_traps()  # Ctrl-C may come before there is a recorder
        memory.close()


class _Recorder:
    """One recording."""

    def __init__(self, process: Process, sampling: Sampling, memory: RunningMemory) -> None:
        self._sampling = sampling
        # Where among the samples each burst began.
        self._bursts: list[int] = []
        self._focus = sampling.focus
        self._focused_from: int | None = None
        self._budget = _KEPT * sampling.seconds * sampling.slowdown
        # For so long the process is held by the shortest burst, as far as the last one tells.
        self._dear = 0.0
        self._stop: Any = None
        self._has_executed = False
        self._chance = random.Random(0)
        self._alarm = Alarm(process.own_id or 0)
        self._calls = TrappedCalls(process.machine, sampling, memory)
        self._held = self._calls.held
        self._freed = FreedSamples(memory, process.pointer_size, sampling.cached_marks)

    def record(self) -> Recording:
        started = time.monotonic()
        until = started + self._sampling.seconds
        gdb.events.stop.connect(self._note)
        gdb.events.exited.connect(self._note)
        gdb.events.clear_objfiles.connect(self._executed)
        ended: tuple[RecordingEnd, str] | None = None
        try:
            while ended is None and time.monotonic() < until:
                ended = self._burst(until) or self._rest(started, until)
                if ended is None and time.monotonic() > started + _FOCUS_AFTER * self._sampling.seconds:
                    self._focus_once()
            delete_traps()
            ended = ended or self._make_up(started)
        finally:
            delete_traps()
            self._alarm.consume(self._resume)
            self._held.close()
            gdb.events.stop.disconnect(self._note)
            gdb.events.exited.disconnect(self._note)
            gdb.events.clear_objfiles.disconnect(self._executed)
        seconds = time.monotonic() - started
        end, detail = ended or (RecordingEnd.TIME, "")
        held = min(self._held.seconds, seconds)
        return Recording(self._samples(), self._calls.others, seconds, held, end, detail, self._focused_from)

    def _focus_once(self) -> None:
        focus, self._focus = self._focus, None
        wants = None if focus is None else focus(self._samples())
        if wants is not None:
            self._focused_from = len(self._calls.samples)
            self._calls.focus(wants)

    def _samples(self) -> tuple[Sample, ...]:
        """Return the samples, with how far each was followed: to the end of its burst, or to the
        look at the heap where that came first."""
        last = len(self._calls.samples) if self._calls.are_over else math.inf
        bounds = iter([*self._bursts[1:], last])
        end = next(bounds)
        rewritten = self._freed.rewritten(self._calls.samples)
        found = []
        for index, sample in enumerate(self._calls.samples):
            while index >= end:
                end = next(bounds)
            followed = FOLLOWED_LONG if end == math.inf else int(end) - index
            found.append(
                replace(
                    sample,
                    followed=followed,
                    was_freed=index in self._freed.freed,
                    is_rewritten=index in rewritten,
                )
            )
        return tuple(found)

    def _burst(self, until: float) -> tuple[RecordingEnd, str] | None:
        """Take some calls in a row, so that a block that is soon handed out anew is seen to be; None, or how the
        recording ends."""
        before = self._held.seconds
        if before + self._dear > self._budget:
            return None
        self._look()
        self._bursts.append(len(self._calls.samples))
        calls = _BURST if len(self._bursts) % 2 else _LONG_BURST
        self._calls.set(calls, min(_LONGEST, self._budget - before))
        try:
            while not self._calls.are_over and time.monotonic() < until:
                ended = self._resume(until)
                if ended is not None:
                    return ended
                self._calls.trap_new_place()
        finally:
            self._calls.unset()
            self._dear = _CHEAPER * self._calls.least_part * (self._held.seconds - before)
        return None

    def _rest(self, started: float, until: float) -> tuple[RecordingEnd, str] | None:
        """Let the process run freely for as long as the bound on the slowdown wants, and a little by chance; None, or
        how the recording ends."""
        now, held = time.monotonic(), self._held.seconds
        rest = (held / self._sampling.slowdown - (now - started)) * self._chance.uniform(1.0, 1.2)
        end = until if held + self._dear > self._budget else min(until, now + max(rest, 0.0))
        self._freed.get_ready(self._calls.samples)
        while end - time.monotonic() > _SOONEST:
            ended = self._resume(end, is_looking=True)
            if ended is not None:
                return ended
        return None

    def _make_up(self, started: float) -> tuple[RecordingEnd, str] | None:
        """Let the process run on where it was held for longer than was asked: until that is as small a part of the time
        as it is to be, or as much time again has gone by."""
        last = started + 2 * self._sampling.seconds
        while self._held.seconds > self._sampling.slowdown * (time.monotonic() - started) and time.monotonic() < last:
            ended = self._resume(min(started + self._held.seconds / self._sampling.slowdown / _KEPT, last))
            if ended is not None:
                return ended
        return None

    def _look(self) -> None:
        self._freed.look(self._calls.samples)

    def _resume(self, until: float, is_looking: bool = False) -> tuple[RecordingEnd, str] | None:
        """Let the process run until it stops, at this time at the latest; None where it stopped for us, else how the
        recording ends. `is_looking`: meanwhile it is looked what is freed."""
        now = time.monotonic()
        looks = [(now + each, self._freed.glance) for each in _GLANCES] + [(now + each, self._look) for each in _LOOKS]
        self._stop = None
        self._alarm.set(until, [each for each in looks if each[0] < until] if is_looking else ())
        self._held.resumes()
        try:
            with silence():
                gdb.execute("continue", to_string=True)
            if self._calls.failure is not None:
                raise self._calls.failure
        except KeyboardInterrupt:
            return RecordingEnd.INTERRUPTED, ""
        finally:
            self._held.has_stopped()
            self._alarm.clear()
        return self._end_of(self._stop)

    def _end_of(self, event: Any) -> tuple[RecordingEnd, str] | None:
        is_alarm = isinstance(event, gdb.SignalEvent) and event.stop_signal == ALARM_NAME
        if is_alarm:
            self._alarm.seen()
            gdb.execute("queue-signal 0", to_string=True)  # or gdb would pass it on when it lets the process go
        if self._has_executed:
            return RecordingEnd.EXECUTED, ""
        if isinstance(event, gdb.BreakpointEvent):
            users = [each.number for each in event.breakpoints if each.number > 0]
            return (RecordingEnd.BREAKPOINT, str(users[0])) if users else None
        if isinstance(event, gdb.SignalEvent):
            if is_alarm:
                return None
            if event.stop_signal == "SIGINT":
                return RecordingEnd.INTERRUPTED, ""
            # Others that the program takes by now, gdb passes on.
            is_end = is_fatal(gdb.selected_inferior().pid, event.stop_signal)
            return (RecordingEnd.SIGNAL, event.stop_signal) if is_end else None
        if isinstance(event, gdb.ExitedEvent):
            return RecordingEnd.EXITED, ""
        return RecordingEnd.STOPPED, ""

    def _note(self, event: Any) -> None:
        self._stop = event

    def _executed(self, _: Any) -> None:
        """The process runs another program, where none of our breakpoints belongs; gdb goes on until it is stopped."""
        self._has_executed = True
        self._calls.unset()
        self._alarm.ring()
