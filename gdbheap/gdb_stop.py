"""The stop of a thread, made into a value: signal, instruction, frames, source line.

The thread is the selected one, or where no fault stopped that, the one that a fault did stop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gdb

from gdbheap.errors import NoProcess
from gdbheap.gdb_backtrace import frames
from gdbheap.gdb_selection import selection_kept
from gdbheap.gdb_signal_frame import Handled, handled_signals
from gdbheap.gdb_text import text_of
from gdbheap.process.namespace import pid_in_namespace
from gdbheap.process.process import Process, Thread
from gdbheap.process.signal_info import FATAL, SignalInfo, signal_name
from gdbheap.process.stop import Stop

_MOST_FRAMES = 64
_MOST_THREADS = 1 << 12
# The longest call instruction, and the shortest.
_CALL_LENGTHS = range(7, 1, -1)
_WITH_ADDRESS = (4, 5, 7, 8, 11)
_SIGSEGV, _SIGTRAP = 11, 5
_SEGV_PKUERR = 4
# How int3 comes: SI_KERNEL; TRAP_BRKPT from some virtual machines. A step is TRAP_TRACE, a watchpoint TRAP_HWBKPT.
_INT3_CODES = (0x80, 1)
_INT3 = 0xCC


class LastStop:
    """What gdb's events told of the stop that lasts: `at_breakpoint` whether a breakpoint of gdb's made it (None: they told nothing)."""

    at_breakpoint: bool | None = None

    @classmethod
    def note(cls, event: gdb.StopEvent) -> None:
        """Keep what a stop's event tells."""
        cls.at_breakpoint = isinstance(event, gdb.BreakpointEvent)

    @classmethod
    def forget(cls, _: object) -> None:
        """The process goes on, or is gone."""
        cls.at_breakpoint = None


def read_stop(process: Process) -> Stop:
    """Return why and where the selected thread stopped, or another one where a fault stopped that alone; NoProcess where none is selected.

    The user's thread and frame are put back.
    """
    with selection_kept() as selected:
        thread = _thread_of(process, selected)
        if thread is None:
            raise NoProcess("no thread is selected: `info threads` lists them, `thread N` selects one")
        thread, signal = _stopped(process, thread)
        if not _is_fault(signal, thread):
            faulted = next(_faulted(process, thread), None)
            if faulted is not None:
                stop = _stop_of(process, *faulted)
                return replace(stop, is_selected=False)
            _switch(thread)
        return _stop_of(process, thread, signal)


def _is_fault(signal: SignalInfo | None, thread: Thread) -> bool:
    """Whether a fatal signal stopped the thread: by its siginfo, or by the word of a core that has none."""
    return (signal.signal if signal is not None else thread.signal) in FATAL


def _faulted(process: Process, but: Thread) -> Iterator[tuple[Thread, SignalInfo | None]]:
    """Select one thread after the other, and yield those that a fault stopped."""
    for thread in process.threads[:_MOST_THREADS]:
        if thread.lwp != but.lwp and _switch(thread):
            stopped, signal = _stopped(process, thread)
            if _is_fault(signal, stopped):
                yield stopped, signal


def _thread_of(process: Process, selected: gdb.InferiorThread | None) -> Thread | None:
    return next((each for each in process.threads if selected is not None and each.number == selected.num), None)


def _switch(thread: Thread) -> bool:
    """Select a thread; whether it could be, and stands still."""
    found = next((each for each in gdb.selected_inferior().threads() if each.num == thread.number), None)
    if found is None or found.is_running():
        return False
    try:
        found.switch()
    except gdb.error:
        return False
    return True


def _stop_of(process: Process, thread: Thread, signal: SignalInfo | None) -> Stop:
    """Return the stop of the thread that is selected in gdb, or of the fault whose handler it is in."""
    handled = handled_signals(process, thread, _MOST_FRAMES)
    outer = next((each for each in handled if each.signal is not None and each.signal.signal in FATAL), None)
    own = _own_pid(process)
    raised_again = outer is not None and (signal is None or signal.code <= 0 or signal.signal not in FATAL)
    if outer is not None and outer.signal is not None and outer.signal.code > 0 and raised_again:
        return _stop_at(process, outer.frame, outer.thread, outer.signal, own, outer)
    within = _within(handled[0]) if handled else ""
    try:
        newest = gdb.newest_frame()
    except gdb.error:
        newest = None
    return replace(_stop_at(process, newest, thread, signal, own, None), within=within)


def _within(handled: Handled) -> str:
    """Return which handler a thread is in, in words."""
    name = "a signal" if handled.signal is None else signal_name(handled.signal.signal)
    return f"a handler of {name}" + (", on an alternate stack" if handled.on_alternate_stack else "")


def _stop_at(
    process: Process,
    frame: gdb.Frame | None,
    thread: Thread,
    signal: SignalInfo | None,
    own_pid: int | None,
    handled: Handled | None,
) -> Stop:
    lines = _disassemble(frame, thread.program_counter, 2)
    unwound = frames(None, process.word, _MOST_FRAMES)
    return Stop(
        thread=thread,
        signal=signal,
        signal_name="" if signal is None else signal_name(signal.signal),
        instruction=lines[0] if lines else "",
        next_instruction=lines[1] if len(lines) > 1 else "",
        caller_instruction=_call_before(process, frame, thread.stack_pointer),
        frames=unwound if handled is None else unwound[handled.level :],
        source=_source(frame),
        own_pid=own_pid,
        handler="" if handled is None else handled.handler,
    )


def _stopped(process: Process, thread: Thread) -> tuple[Thread, SignalInfo | None]:
    """Return the selected thread and what the kernel told of its stop; None for a breakpoint or a step of gdb's, which it reports as traps
    too. Where it told anything, a core's bare number of the signal is dropped from the thread."""
    signal = _siginfo()
    if signal is None:
        return thread, None
    thread = replace(thread, signal=0)
    if signal.signal != _SIGTRAP:
        return thread, signal
    if signal.code == 0 and signal.sender == _own_pid(process):
        return thread, None  # what exec sends a process that is traced
    return thread, signal if signal.code <= 0 or _is_own_trap(signal, thread) else None


def _siginfo() -> SignalInfo | None:
    """Return $_siginfo, which gdb has for live threads and for a core's; None where it has none."""
    try:
        info = gdb.parse_and_eval("$_siginfo")
        number, code, error = (int(info[name]) for name in ("si_signo", "si_code", "si_errno"))
        fields = info["_sifields"]
        if number in _WITH_ADDRESS and code > 0:
            fault = fields["_sigfault"]
            key = None
            if (number, code) == (_SIGSEGV, _SEGV_PKUERR):
                # si_pkey shares its place with the bounds' first
                key = int(fault["_addr_bnd"]["_lower"]) & 0xFFFF_FFFF
            return SignalInfo(number, code, error, address=_unsigned(fault["si_addr"]), protection_key=key)
        sender = int(fields["_kill"]["si_pid"]) if code <= 0 else None
        return SignalInfo(number, code, error, sender=sender) if number else None
    except gdb.error:
        return None


def _unsigned(value: gdb.Value) -> int:
    return int(value) & ((1 << 8 * value.type.sizeof) - 1)


def _is_own_trap(signal: SignalInfo, thread: Thread) -> bool:
    """Whether the selected thread ran into a trap of the program's: the byte before the program counter is one, and it is no breakpoint of
    gdb's that stopped the thread (gdb does not show its own in memory, but code may be padded with traps)."""
    if LastStop.at_breakpoint or signal.code not in _INT3_CODES:
        return False
    if LastStop.at_breakpoint is None and any(thread.program_counter in _places(each) for each in gdb.breakpoints()):
        return False
    try:
        return bytes(gdb.selected_inferior().read_memory(thread.program_counter - 1, 1))[0] == _INT3
    except (gdb.error, OverflowError):
        return False


def _places(breakpoint: gdb.Breakpoint) -> tuple[int, ...]:
    """Return the addresses of a breakpoint; () where gdb (before 13) does not tell them."""
    return tuple(each.address for each in getattr(breakpoint, "locations", ()))


def _disassemble(frame: gdb.Frame | None, address: int, count: int) -> list[str]:
    try:
        lines = frame.architecture().disassemble(address, count=count) if frame is not None else []
    except gdb.error:
        return []
    return [line["asm"] for line in lines]


def _call_before(process: Process, frame: gdb.Frame | None, stack_pointer: int) -> str:
    """Return the call instruction that ends where the word at the stack pointer points, or ""."""
    if frame is None:
        return ""
    try:
        back = int.from_bytes(bytes(gdb.selected_inferior().read_memory(stack_pointer, process.word)), "little")
        architecture = frame.architecture()
    except gdb.error:
        return ""
    for length in _CALL_LENGTHS:
        try:
            line = architecture.disassemble(back - length, count=1)[0]
        except (gdb.error, OverflowError):
            continue
        words = line["asm"].split()
        if line["length"] == length and any(word.startswith("call") for word in words[:2]):
            return str(line["asm"])
    return ""


def _source(frame: gdb.Frame | None) -> str:
    """Return "FILE:LINE: text" of the frame where it has a source line that can be read, else ""."""
    try:
        line = frame.find_sal() if frame is not None else None
        if line is None or line.symtab is None or not line.line:
            return ""
        symtab = line.symtab
        name = text_of(lambda: symtab.filename)
        with open(text_of(symtab.fullname), encoding="utf-8", errors="replace") as file:
            text = next((each for number, each in enumerate(file, 1) if number == line.line), "")
        return f"{name}:{line.line}: {text.strip()}"
    except (gdb.error, OSError):
        return ""


def _own_pid(process: Process) -> int | None:
    """Return the pid as the process's own signals give it: in a namespace its own one there; a core remembers that."""
    if process.pid is not None:
        return pid_in_namespace(_status(process.pid)) or process.pid
    pid = gdb.selected_inferior().pid
    return pid or None


def _status(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text(errors="surrogateescape")
    except OSError:
        return ""
