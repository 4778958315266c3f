"""The signals whose handlers a thread is in: what the kernel put on the stack, and where the thread was when each
came."""

from __future__ import annotations

from dataclasses import replace

import gdb

from gdbheap.inside_gdb.process import GdbMemory
from gdbheap.inside_gdb.text import text_of
from gdbheap.lazy import dataclass
from gdbheap.machine.machine import Machine
from gdbheap.process.handled_signal import Trampoline, handled_signal
from gdbheap.process.process import Process, Thread
from gdbheap.process.signal_info import SignalInfo


@dataclass(frozen=True)
class Handled:
    """A signal that a handler runs for. `frame`, `level` and `thread` (its registers) are where it came, `handler`
    is the function that runs; `signal` is None where the frame does not tell which it was."""

    frame: gdb.Frame
    level: int
    thread: Thread
    signal: SignalInfo | None
    handler: str


def handled_signals(process: Process, thread: Thread, most: int) -> list[Handled]:
    """Return the signals that the selected thread is handling, the latest first, as far as `most` frames tell."""
    found: list[Handled] = []
    inner: gdb.Frame | None = None
    try:
        frame: gdb.Frame | None = gdb.newest_frame()
        for level in range(most):
            if frame is None:
                break
            older = frame.older()
            if frame.type() == gdb.SIGTRAMP_FRAME and older is not None:
                there = _thread_at(older, thread, process.machine)
                handler = (text_of(inner.name) or "") if inner is not None else ""
                found.append(Handled(older, level + 1, there, _signal(process, frame, there, inner), handler))
            inner, frame = frame, older
    except gdb.error:
        pass  # the rest cannot be unwound
    return found


def _signal(process: Process, trampoline: gdb.Frame, there: Thread, handler: gdb.Frame | None) -> SignalInfo | None:
    try:
        above = int(trampoline.read_register(process.machine.stack_pointer)) & process.machine.mask
    except gdb.error:
        return None
    frame = Trampoline(above, text_of(trampoline.name) or "", first_argument(handler))
    return handled_signal(GdbMemory(gdb.selected_inferior()), process.machine, frame, there.registers)


def first_argument(frame: gdb.Frame | None) -> int | None:
    """Return a handler's first argument, the signal, where debug info tells it."""
    if frame is None:
        return None
    try:
        symbols = [symbol for symbol in frame.block() if symbol.is_argument]
        return int(symbols[0].value(frame)) if symbols else None
    except (gdb.error, RuntimeError):
        return None


def _thread_at(frame: gdb.Frame, thread: Thread, machine: Machine) -> Thread:
    """Return the thread with the registers that it had in this frame."""
    registers = dict(thread.registers)
    for name in registers:
        try:
            registers[name] = int(frame.read_register(name)) & machine.mask
        except (gdb.error, ValueError):
            continue
    stack = registers[machine.stack_pointer]
    return replace(thread, registers=registers, stack_pointer=stack, program_counter=frame.pc())
