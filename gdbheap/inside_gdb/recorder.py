"""Allocations seen while the process runs: breakpoints on malloc's functions, for some calls in a row, and between
two such bursts the process runs freely for as long as keeps what was asked: that it be held for a small part of the
time.

Of a call that is sampled two stops tell all: where the function is entered (what it is asked for, by whom) and where
it returns (the address). Everything is taken back at the end, whatever ends it. gdb writes breakpoints into the
program's code: this is the only file that sets any.
"""

from __future__ import annotations

import math
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import gdb

from gdbheap.files import open_nowhere
from gdbheap.inside_gdb.freed_samples import FreedSamples
from gdbheap.inside_gdb.text import output_of, text_of
from gdbheap.machine.machine import Machine
from gdbheap.process.process import Process
from gdbheap.process.recording import AllocationFunction, Caller, Recording, RecordingEnd, Sample, Sampling

# So many calls are sampled in a row, and of each the calls that follow must number so many for its block to be judged.
_BURST, _FOLLOWED = 24, 8
# So many calls of other sizes are met in a burst before the process is let go for a while.
_MOST_OTHERS = 200
# After so many seconds it is looked which of the sampled blocks are freed by now, before others take their place.
_LOOKS = (0.0004, 0.0004, 0.001, 0.004, 0.016)
# So short a while is not worth a stop.
_SOONEST = 0.0002
# What a stop costs before anything here runs, until it is measured, in seconds.
_COST = 0.002
# What stops the process when time is up. Sent to a process that is traced, it goes to the debugger, which drops it.
_ALARM = signal.SIGSTOP
_ALARM_NAME = "SIGSTOP"


def record(process: Process, sampling: Sampling) -> Recording:
    """Let the process run, and return what was seen of its allocations. It is stopped again at the end, unless it has
    ended. gdb.error where it cannot be run."""
    with _handled(_ALARM_NAME, "stop print nopass"):
        return _Recorder(process, sampling).record()


class _Entry(gdb.Breakpoint):
    """A breakpoint on an allocation function, which lets pass calls of other sizes."""

    def __init__(self, function: AllocationFunction, recorder: _Recorder) -> None:
        super().__init__(f"*{function.address:#x}", internal=True)
        self.function = function
        self._recorder = recorder
        self.silent = True
        self.enabled = False

    def stop(self) -> bool:
        return self._recorder.entered(self.function)


class _Recorder:
    """One recording. `_held` is how long the process has been stopped, as far as can be told."""

    def __init__(self, process: Process, sampling: Sampling) -> None:
        self._process = process
        self._sampling = sampling
        self._pid = process.own_id or 0
        self._samples: list[Sample] = []
        # Where among the samples each burst began.
        self._bursts: list[int] = []
        self._others = 0
        self._others_now = 0
        self._held = 0.0
        self._cost = _COST
        self._budget = 0.98 * sampling.seconds * sampling.slowdown
        self._called: tuple[AllocationFunction, int, int] | None = None
        self._stop: Any = None
        self._stopped_at = 0.0
        # Since when the process has stood still for what is done here.
        self._back_at = time.monotonic()
        self._names: dict[int, Caller] = {}
        self._chance = random.Random(0)
        self._alarm = _Alarm(self._pid)
        self._freed = FreedSamples(process.machine, sampling.cached_marks)

    def record(self) -> Recording:
        started = time.monotonic()
        until = started + self._sampling.seconds
        entries: list[_Entry] = []
        gdb.events.stop.connect(self._note)
        gdb.events.exited.connect(self._note)
        ended: tuple[RecordingEnd, str] | None = None
        try:
            entries = [_Entry(each, self) for each in self._sampling.functions]
            while ended is None and time.monotonic() < until:
                self._bursts.append(len(self._samples))
                ended = self._burst(entries, until) or self._rest(started, until)
        finally:
            for each in entries:
                with suppress(RuntimeError):  # the program has gone, and its breakpoints with it
                    each.delete()
            self._alarm.consume(lambda: self._resume(None))
            gdb.events.stop.disconnect(self._note)
            gdb.events.exited.disconnect(self._note)
        seconds = time.monotonic() - started
        end, detail = ended or (RecordingEnd.TIME, "")
        return Recording(self._judged(), self._others, seconds, min(self._held, seconds), end, detail)

    def _judged(self) -> tuple[Sample, ...]:
        """Return the samples; of each burst but the last one, the last of them are not judged: whether their blocks
        were handed out anew soon after, nobody saw."""
        bounds = [*self._bursts[1:], len(self._samples) + _FOLLOWED]
        found = []
        for index, sample in enumerate(self._samples):
            end = next(each for each in bounds if index < each)
            freed = index in self._freed.freed
            found.append(replace(sample, is_judged=freed or index + _FOLLOWED <= end, was_freed=freed))
        return tuple(found)

    def _burst(self, entries: list[_Entry], until: float) -> tuple[RecordingEnd, str] | None:
        """Take some calls in a row, so that a block that is soon handed out anew is seen to be; None, or how the
        recording ends."""
        self._others_now = 0
        self._look(at_all=True)
        for _ in range(_BURST):
            if self._held > self._budget:
                self._bursts.append(len(self._samples))
                return self._rest(until, until)
            ended = self._sample(entries, until)
            if ended is not None or self._called is None:
                return ended
        return None

    def _sample(self, entries: list[_Entry], until: float) -> tuple[RecordingEnd, str] | None:
        """Wait for one call and take what it returns; None, or how the recording ends."""
        self._called = None
        _enable(entries, True)
        ended = self._resume(until)
        _enable(entries, False)
        if ended is not None or self._called is None:
            return ended
        self._look(at_all=False)
        function, size, stored = self._called
        caller, thread = gdb.newest_frame().older(), gdb.selected_thread()
        if caller is None or thread is None:
            return None
        stack = tuple(self._stack(caller))
        back = gdb.Breakpoint(f"*{caller.pc():#x}", internal=True)
        try:
            back.silent = True
            back.thread = thread.global_num
            ended = self._resume(until)
            if ended is None and isinstance(self._stop, gdb.BreakpointEvent):
                address = self._returned(function, stored)
                if address:
                    self._samples.append(Sample(address, size, function.name, thread.num, stack))
            return ended
        finally:
            with suppress(RuntimeError):
                back.delete()

    def _look(self, at_all: bool) -> None:
        with suppress(gdb.error):  # it has gone
            self._freed.look(self._samples, at_all)

    def _rest(self, started: float, until: float) -> tuple[RecordingEnd, str] | None:
        """Let the process run freely for as long as the bound on the slowdown wants, and a little by chance."""
        for pause in _LOOKS if until > started else ():
            ended = self._pause(time.monotonic() + pause)
            if ended is not None:
                return ended
            self._look(at_all=True)
        now = time.monotonic()
        rest = (self._held / self._sampling.slowdown - (now - started)) * self._chance.uniform(1.0, 1.2)
        return self._pause(until if self._held > self._budget else min(until, now + max(rest, 0.0)))

    def _pause(self, end: float) -> tuple[RecordingEnd, str] | None:
        """Let the process run until `end`; None, or how the recording ends."""
        while end - time.monotonic() > _SOONEST:
            ended = self._resume(end)
            if ended is not None:
                return ended
        return None

    def entered(self, function: AllocationFunction) -> bool:
        """Whether this call is to be sampled (or the process to be let go for a while)."""
        began = time.monotonic()
        arguments = [_argument(self._process.machine, index) for index in function.sizes]
        size = math.prod(arguments)
        wanted = size >= self._sampling.least and (self._sampling.most is None or size <= self._sampling.most)
        if not wanted:
            self._others += 1
            self._others_now += 1
            self._held += time.monotonic() - began + self._cost
            return self._others_now >= _MOST_OTHERS
        self._stopped_at = began
        stored = 0 if function.result_at is None else _argument(self._process.machine, function.result_at)
        self._called = function, size, stored
        return True

    def _resume(self, until: float | None) -> tuple[RecordingEnd, str] | None:
        """Let the process run until it stops, at this time at the latest; None where it stopped for us, else how the
        recording ends."""
        self._stop, self._stopped_at = None, 0.0
        if until is not None:
            self._alarm.set(until)
        self._held += self._cost + (time.monotonic() - self._back_at)
        try:
            with _silence():
                gdb.execute("continue", to_string=True)
        except KeyboardInterrupt:
            return RecordingEnd.INTERRUPTED, ""
        finally:
            sent = self._alarm.clear()
        self._back_at = time.monotonic()
        if self._stopped_at:
            self._held += self._back_at - self._stopped_at
        event = self._stop
        if isinstance(event, gdb.BreakpointEvent):
            users = [each.number for each in event.breakpoints if each.number > 0]
            return (RecordingEnd.BREAKPOINT, str(users[0])) if users else None
        if isinstance(event, gdb.SignalEvent):
            if event.stop_signal == _ALARM_NAME:
                self._alarm.seen()
                gdb.execute("queue-signal 0", to_string=True)  # or gdb would pass it on when it lets the process go
                if sent is not None and self._stopped_at > sent:
                    self._cost = 0.9 * self._cost + 0.1 * (self._stopped_at - sent)
                return None
            return (
                (RecordingEnd.INTERRUPTED, "")
                if event.stop_signal == "SIGINT"
                else (RecordingEnd.SIGNAL, event.stop_signal)
            )
        if isinstance(event, gdb.ExitedEvent):
            return RecordingEnd.EXITED, ""
        return RecordingEnd.EXECUTED, ""

    def _note(self, event: Any) -> None:
        self._stop = event
        self._stopped_at = self._stopped_at or time.monotonic()

    def _returned(self, function: AllocationFunction, stored: int) -> int:
        machine = self._process.machine
        if function.result_at is None:
            return int(gdb.newest_frame().read_register(machine.result)) & machine.mask
        return _word(machine, stored)

    def _stack(self, frame: gdb.Frame) -> Iterator[Caller]:
        """Yield the callers from this frame on. (A bad stack ends early.)"""
        here: gdb.Frame | None = frame
        with suppress(gdb.error):
            for _ in range(self._sampling.depth):
                if here is None:
                    return
                yield self._caller(here)
                here = here.older()

    def _caller(self, frame: gdb.Frame) -> Caller:
        if frame.type() == gdb.INLINE_FRAME:
            return _described(frame)
        place = frame.pc()
        if place not in self._names:
            self._names[place] = _described(frame)
        return self._names[place]


def _described(frame: gdb.Frame) -> Caller:
    line = frame.find_sal()
    symtab = line.symtab
    place = f"{os.path.basename(text_of(lambda: symtab.filename) or '?')}:{line.line}" if symtab and line.line else ""
    library = text_of(lambda: gdb.solib_name(frame.pc())) or ""
    space = gdb.current_progspace()
    if not library and space is not None:
        library = space.filename or ""
    return Caller(text_of(frame.name) or "", os.path.basename(library), _offset(frame.pc(), library), place)


def _offset(place: int, library: str) -> int:
    """Return the offset from where the module's file is mapped first."""
    starts = [each for each in _mapped(library) if each <= place]
    return place - min(starts) if starts else place


def _mapped(library: str) -> Iterator[int]:
    from gdbheap.process.live.proc_maps import read_maps

    yield from (vma.start for vma in read_maps(gdb.selected_inferior().pid) if vma.path == library)


def _argument(machine: Machine, index: int) -> int:
    """Return an argument of the function that was just entered."""
    frame = gdb.newest_frame()
    if machine.arguments:
        return int(frame.read_register(machine.arguments[index])) & machine.mask
    stack = int(frame.read_register(machine.stack_pointer)) & machine.mask
    return _word(machine, stack + (1 + index) * machine.pointer_size)


def _word(machine: Machine, address: int) -> int:
    try:
        return int.from_bytes(bytes(gdb.selected_inferior().read_memory(address, machine.pointer_size)), "little")
    except gdb.MemoryError:
        return 0


def _enable(entries: list[_Entry], enabled: bool) -> None:
    for each in entries:
        if each.is_valid():
            each.enabled = enabled


@contextmanager
def _silence() -> Iterator[None]:
    """Have gdb's standard output go nowhere: it tells of every stop, whoever asked for it."""
    gdb.flush()
    kept = os.dup(1)
    with open_nowhere() as nowhere:
        try:
            os.dup2(nowhere.fileno(), 1)
            yield
        finally:
            gdb.flush()
            os.dup2(kept, 1)
            os.close(kept)


class _Alarm:
    """Stops the process at a time, by a thread of gdb's that takes no signals (gdb needs its own)."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._timer: threading.Timer | None = None
        self._sent_at: float | None = None
        self._unseen = 0

    def set(self, at: float) -> None:
        """Stop the process at `at` (monotonic)."""
        self._sent_at = None
        self._timer = threading.Timer(max(at - time.monotonic(), 0.0), self._send)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._timer.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def clear(self) -> float | None:
        """Send nothing any more; return when it was sent, if it was."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
            self._timer = None
        return self._sent_at

    def seen(self) -> None:
        """One that was sent has come."""
        self._unseen -= 1

    def consume(self, resume: Any) -> None:
        """Run the process on until each that was sent has come: none may be left for the user's next `continue`."""
        for _ in range(self._unseen):
            if not gdb.selected_inferior().pid or resume() is not None:
                return

    def _send(self) -> None:
        with suppress(OSError):
            os.kill(self._pid, _ALARM)
            self._sent_at = time.monotonic()
            self._unseen += 1


@contextmanager
def _handled(name: str, how: str) -> Iterator[None]:
    """Have gdb handle the signal in this way, and afterwards as before."""
    words = output_of(f"info signals {name}").splitlines()[-1].split()
    before = [each if yes == "Yes" else f"no{each}" for each, yes in zip(("stop", "print", "pass"), words[1:4])]
    gdb.execute(f"handle {name} {how}", to_string=True)
    try:
        yield
    finally:
        gdb.execute(f"handle {name} {' '.join(before)}", to_string=True)
