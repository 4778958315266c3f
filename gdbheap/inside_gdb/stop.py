"""The stop of a thread, made into a value: signal, instruction, frames, source line.

The thread is the selected one, or where no fault stopped that, the one that a fault did stop.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

import gdb

from gdbheap.errors import NoProcess
from gdbheap.files import kernel_text
from gdbheap.inside_gdb.backtrace import frames
from gdbheap.inside_gdb.last_stop import LastStop
from gdbheap.inside_gdb.selection import select, selection_kept
from gdbheap.inside_gdb.signal_frame import Handled, first_argument, handled_signals
from gdbheap.inside_gdb.stretched import levels_too_many
from gdbheap.inside_gdb.text import text_of
from gdbheap.inside_gdb.variables import expressions
from gdbheap.lazy import dataclass
from gdbheap.machine.instruction import CALL
from gdbheap.machine.machine import Machine
from gdbheap.machine.system_call_names import system_call_name
from gdbheap.process.live.namespace import pid_in_namespace
from gdbheap.process.process import Process, Thread
from gdbheap.process.return_address import return_address
from gdbheap.process.signal_info import FATAL, SI_KERNEL, SIGTRAP, SignalInfo, parse_siginfo, signal_name, union_offset
from gdbheap.process.source_lines import source_lines
from gdbheap.process.stop import Expression, Handler, Stop
from gdbheap.process.system_calls import is_at_own_trap

_MOST_FRAMES = 64
_MOST_THREADS = 1 << 12
# gdb's table of system calls has 40 KB.
# As many of the ints behind siginfo_t's first three as are looked at.
_INTS = 12
# A handler whose stack has overflowed lies behind as many frames as fit on it.
_MOST_UNWOUND = 4096
# So deep may a program be in libraries without source when it dies of what it handed to them.
_MOST_LIBRARY_FRAMES = 16
# How int3 comes: SI_KERNEL; TRAP_BRKPT from some virtual machines. A step is TRAP_TRACE, a watchpoint TRAP_HWBKPT.
_INT3_CODES = (SI_KERNEL, 1)


def read_stop(process: Process) -> Stop:
    """Return why and where the selected thread stopped, or another one where a fault stopped that alone; NoProcess
    where none is selected.

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
        select(found)
    except gdb.error:
        return False
    return True


def _stop_of(process: Process, thread: Thread, signal: SignalInfo | None) -> Stop:
    """Return the stop of the thread that is selected in gdb, or of the fault whose handler it is in."""
    handled = handled_signals(process, thread, _MOST_FRAMES)
    outer = next((each for each in handled if each.signal is not None and each.signal.signal in FATAL), None)
    raised_again = outer is not None and (signal is None or signal.code <= 0 or signal.signal not in FATAL)
    if outer is not None and outer.signal is not None and outer.signal.code > 0 and raised_again:
        return _stop_at(process, outer.frame, outer.thread, outer.signal, _Handlers(outer, handled))
    try:
        newest = gdb.newest_frame()
    except gdb.error:
        newest = None
    return _stop_at(process, newest, thread, signal, _Handlers(None, handled))


@dataclass(frozen=True)
class _Handlers:
    """The signals whose handlers the thread is in, and which of them was the fault (None: none of them)."""

    outer: Handled | None
    all: list[Handled]


def _stop_at(
    process: Process,
    frame: gdb.Frame | None,
    thread: Thread,
    signal: SignalInfo | None,
    handlers: _Handlers,
) -> Stop:
    handled = handlers.outer
    lines = _disassemble(frame, thread.program_counter, 2)
    unwound = frames(None, process, _MOST_FRAMES)
    level = 0 if handled is None else handled.level
    for _ in range(levels_too_many(process, frame)):
        frame, level = None if frame is None else frame.older(), level + 1
    source, named = _source(frame)
    return Stop(
        thread=thread,
        signal=signal,
        signal_name="" if signal is None else signal_name(signal.signal),
        instruction=lines[0] if lines else "",
        next_instruction=lines[1] if len(lines) > 1 else "",
        caller_instruction=_call_before(process, frame, thread),
        frames=unwound[level:],
        source=source,
        own_pid=_own_pid(process),
        handler="" if handled is None else handled.handler,
        handlers=tuple(
            replace(each, info=next((known.signal for known in handlers.all if known.level == each.level + 1), None))
            for each in _handlers(process, frame, level)
        ),
        expressions=named,
        system_call=_system_call(process.machine, signal),
    )


def _stopped(process: Process, thread: Thread) -> tuple[Thread, SignalInfo | None]:
    """Return the selected thread and what the kernel told of its stop; None for a breakpoint or a step of gdb's,
    which it reports as traps too. Where it told anything, a core's bare number of the signal is dropped from the
    thread; a remote target that tells nothing has at least that number."""
    signal = _siginfo(process.pointer_size)
    if signal is None and process.kind == "remote":
        return replace(thread, signal=LastStop.signal_of(gdb.selected_thread())), None
    if signal is None:
        return thread, None
    if signal.system_call == 0:
        # gdb's siginfo of a 32-bit process has no si_syscall; the kernel has put the number back where it was.
        signal = replace(signal, system_call=thread.registers.get(process.machine.result))
    thread = replace(thread, signal=0)
    if signal.signal != SIGTRAP:
        return thread, signal
    if signal.code == 0 and signal.sender == _own_pid(process):
        return thread, None  # what exec sends a process that is traced
    return thread, signal if signal.code <= 0 or _is_own_trap(signal, thread, process) else None


def _siginfo(pointer_size: int) -> SignalInfo | None:
    """Return $_siginfo, which gdb has for live threads and for a core's; None where it has none.

    gdb's type of it has not all members in every release (si_pkey in none), but all its bytes.
    """
    try:
        info = gdb.convenience_variable("_siginfo")
        if info is None:
            return None
        head = [int(info[name]) for name in ("si_signo", "si_errno", "si_code")]
        pad = info["_sifields"]["_pad"]
        data = struct.pack("<3i", *head).ljust(union_offset(pointer_size), b"\0")
        data += struct.pack(f"<{_INTS}i", *(int(pad[index]) for index in range(_INTS)))
    except gdb.error:
        return None
    return parse_siginfo(data, pointer_size) if head[0] else None


def _is_own_trap(signal: SignalInfo, thread: Thread, process: Process) -> bool:
    """Whether the selected thread ran into a trap of the program's: the program counter is behind one, or at one, and
    it is no breakpoint of gdb's that stopped the thread (gdb does not show its own in memory, but code may be
    padded with traps)."""
    if LastStop.at_breakpoint or signal.code not in _INT3_CODES:
        return False
    if LastStop.at_breakpoint is None and any(thread.program_counter in _places(each) for each in gdb.breakpoints()):
        return False
    return is_at_own_trap(process, thread.program_counter)


def _places(breakpoint: gdb.Breakpoint) -> tuple[int, ...]:
    """Return the addresses of a breakpoint; () where gdb (before 13) does not tell them."""
    return tuple(each.address for each in getattr(breakpoint, "locations", ()))


def _disassemble(frame: gdb.Frame | None, address: int, count: int) -> list[str]:
    try:
        lines = frame.architecture().disassemble(address, count=count) if frame is not None else []
    except gdb.error:
        return []
    return [line["asm"].strip().replace("\t", " ") for line in lines]


def _call_before(process: Process, frame: gdb.Frame | None, thread: Thread) -> str:
    """Return the call instruction that ends where the last call's return address points (in its register, or the word
    at the stack pointer), or ""."""
    if frame is None:
        return ""
    try:
        architecture = frame.architecture()
    except gdb.error:
        return ""
    back = return_address(process, thread)
    if back is None:
        return ""
    for length in process.machine.calls:
        try:
            line = architecture.disassemble(back - length, count=1)[0]
        except (gdb.error, OverflowError):
            continue
        text = str(line["asm"]).replace("\t", " ")
        if line["length"] == length and process.machine.code.decode(text, {}).flow == CALL:
            return text
    return ""


def _source(frame: gdb.Frame | None) -> tuple[str, tuple[Expression, ...]]:
    """Return "FILE:LINE: text" of the innermost frame from here whose source line can be read, and the pointers that
    it names; ("", ()) for none."""
    try:
        for _ in range(_MOST_LIBRARY_FRAMES):
            if frame is None:
                break
            place = frame.find_sal()
            text = _line(text_of(place.symtab.fullname), place.line) if place.symtab is not None and place.line else ""
            if text:
                return f"{_file_name(place)}:{place.line}: {text}", expressions(frame, text)
            frame = frame.older()
    except gdb.error:
        pass  # the rest of the stack cannot be unwound
    return "", ()


def _file_name(place: gdb.Symtab_and_line) -> str:
    return text_of(lambda: place.symtab.filename)


def _line(path: str, wanted: int) -> str:
    return next(iter(source_lines(path, wanted, 1)), "")


def _handlers(process: Process, frame: gdb.Frame | None, level: int) -> Iterator[Handler]:
    """Yield the signal handlers that the selected thread is in, from this frame (of this level) outwards, the
    innermost first."""
    inner = None
    try:
        while frame is not None and level < _MOST_UNWOUND:
            outer = frame.older()
            if frame.type() == gdb.SIGTRAMP_FRAME:
                pointer = _stack_pointer(frame, process.machine)
                kernels = process.machine.code.handler_frame(process.words, pointer)
                beyond = _stack_pointer(outer, process.machine) if outer is not None else 0
                number = kernels.number or first_argument(inner)
                yield Handler(level, number, _name(inner), _name(outer), pointer, beyond, kernels.alternate)
            frame, inner, level = outer, frame, level + 1
    except gdb.error:
        return


def _name(frame: gdb.Frame | None) -> str:
    return (text_of(frame.name) or "") if frame is not None else ""


def _stack_pointer(frame: gdb.Frame, machine: Machine) -> int:
    return int(frame.read_register(machine.stack_pointer)) & machine.mask


def _system_call(machine: Machine, signal: SignalInfo | None) -> str:
    """Return the name of the system call that a filter refused."""
    if signal is None or signal.system_call is None:
        return ""
    return system_call_name(machine.name, signal.system_call)


def _own_pid(process: Process) -> int | None:
    """Return the pid as the process's own signals give it: in a namespace its own one there; a core remembers that."""
    if process.pid is not None:
        return pid_in_namespace(_status(process.pid)) or process.own_id
    pid = gdb.selected_inferior().pid
    return pid or None


def _status(pid: int) -> str:
    try:
        return kernel_text(f"/proc/{pid}/status")
    except OSError:
        return ""
