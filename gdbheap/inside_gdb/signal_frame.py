"""The signals whose handlers a thread is in: what the kernel put on the stack, and where the thread was when each
came."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

import gdb

from gdbheap.errors import MemoryFault
from gdbheap.inside_gdb.process import GdbMemory
from gdbheap.inside_gdb.text import text_of
from gdbheap.machine.machine import Machine
from gdbheap.process.process import Process, Thread
from gdbheap.process.signal_info import SI_KERNEL, SIGBUS, SIGSEGV, SignalInfo, parse_siginfo, union_offset

# sizeof(siginfo_t).
_SIGINFO = 128
# sizeof(kernel_siginfo_t), and of its first three members, behind which a 64-bit one has padding.
_SIGINFO_USED = 48
_INTS = 12
_SIGNALS = range(1, 65)
# A fault's address is so near to what some register holds.
_NEAR = 4096


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
    """Return the signal that the kernel left for the handler, which lies above the return address to the trampoline:
    the siginfo, if the handler asked for one (SA_SIGINFO), or a page fault by the registers of the processor that
    were saved."""
    memory, code = GdbMemory(gdb.selected_inferior()), process.machine.code
    try:
        above = int(trampoline.read_register(process.machine.stack_pointer)) & process.machine.mask
        kept = code.kept_signal(memory, above, text_of(trampoline.name) or "")
        # The kernel keeps the last trap: where the handler was given another signal, that trap is an older story.
        is_of_another = first_argument(handler) not in (None, SIGSEGV, SIGBUS)
        if not is_of_another and _explains(there, kept.fault):
            return SignalInfo(SIGSEGV, 2 if kept.is_mapped else 1, 0, address=kept.fault)
        data = memory.read(kept.info, _SIGINFO) if kept.info else b""
        return parse_siginfo(data, process.pointer_size) if _is_siginfo(data, process.pointer_size) else None
    except (gdb.error, MemoryFault, OverflowError):
        return None


def _explains(there: Thread, fault: int | None) -> bool:
    """Whether the registers explain a fault at the address: else it may be of an earlier signal."""
    return fault is not None and any(abs(fault - value) < _NEAR for value in there.registers.values())


def first_argument(frame: gdb.Frame | None) -> int | None:
    """Return a handler's first argument, the signal, where debug info tells it."""
    if frame is None:
        return None
    try:
        symbols = [symbol for symbol in frame.block() if symbol.is_argument]
        return int(symbols[0].value(frame)) if symbols else None
    except (gdb.error, RuntimeError):
        return None


def _is_siginfo(data: bytes, pointer_size: int) -> bool:
    """Whether this may be a siginfo: where the handler has asked for none, it is what the stack held before."""
    if len(data) < _SIGINFO:
        return False
    number, error, code = struct.unpack_from("<iii", data)
    plausible = number in _SIGNALS and error == 0 and -64 <= code <= SI_KERNEL
    # The kernel clears what it has no use for (copy_siginfo_to_user, since Linux 4.20).
    return plausible and not any(data[_INTS : union_offset(pointer_size)]) and not any(data[_SIGINFO_USED:])


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
