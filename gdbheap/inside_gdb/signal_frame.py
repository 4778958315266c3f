"""The signals whose handlers a thread is in: what the kernel put on the stack, and where the thread was when each
came."""

from __future__ import annotations

import signal
import struct
from dataclasses import dataclass, replace

import gdb

from gdbheap.inside_gdb.text import text_of
from gdbheap.machine.machine import Machine
from gdbheap.process.memory import PAGE
from gdbheap.process.process import Process, Thread
from gdbheap.process.signal_info import SignalInfo, parse_siginfo

# sizeof(siginfo_t).
_SIGINFO = 128
# sizeof(kernel_siginfo_t).
_SIGINFO_USED = 48
_SIGNALS = range(1, 65)
_SI_KERNEL = 0x80
# struct rt_sigframe of x86-64 (arch/x86/include/asm/sigframe.h): the ucontext (uc_flags, uc_link, uc_stack, then the
# sigcontext), and siginfo.
_UCONTEXT, _MCONTEXT, _MCONTEXT_32 = 304, 40, 20
# struct sigcontext: trapno, err and cr2 (arch/x86/include/uapi/asm/sigcontext.h), by the size of a word.
_SIGCONTEXT = 192
_TRAP = {8: (160, 152, 176), 4: (48, 52, 84)}
_PAGE_FAULT = 14


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
    pointer_size = process.pointer_size
    memory = gdb.selected_inferior()

    def read(address: int, size: int) -> bytes:
        return bytes(memory.read_memory(address, size))

    try:
        above = int(trampoline.read_register("sp")) & ((1 << 8 * pointer_size) - 1)
        if pointer_size == 8:
            place, context = above + _UCONTEXT, above + _MCONTEXT
        elif (text_of(trampoline.name) or "").endswith(("rt_sigreturn", "restore_rt")):
            # struct rt_sigframe_ia32: the signal, then pointers to siginfo and ucontext.
            place, context = (int.from_bytes(read(above + at, 4), "little") for at in (4, 8))
            context += _MCONTEXT_32
        else:
            place, context = 0, above + 4  # struct sigframe_ia32: the signal, then the sigcontext
        # The kernel keeps the last trap: where the handler was given another signal, that trap is an older story.
        is_of_another = first_argument(handler) not in (None, signal.SIGSEGV, signal.SIGBUS)
        fault = None if is_of_another else _page_fault(read(context, _SIGCONTEXT), there, pointer_size)
        data = read(place, _SIGINFO) if place else b""
        return fault if fault is not None or not _is_siginfo(data, pointer_size) else parse_siginfo(data, pointer_size)
    except (gdb.error, OverflowError):
        return None


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
    number, error, code, padding = struct.unpack_from("<iiii", data)
    plausible = number in _SIGNALS and error == 0 and -64 <= code <= _SI_KERNEL
    # The kernel clears what it has no use for (copy_siginfo_to_user, since Linux 4.20).
    return plausible and (pointer_size == 4 or padding == 0) and not any(data[_SIGINFO_USED:])


def _page_fault(context: bytes, there: Thread, pointer_size: int) -> SignalInfo | None:
    """Return the page fault that a struct sigcontext tells of; None where it tells of none, or of one that its
    registers do not explain (it may be of an earlier signal: the kernel keeps the last trap)."""
    trap, error, address = (int.from_bytes(context[at : at + pointer_size], "little") for at in _TRAP[pointer_size])
    near = any(abs(address - value) < PAGE for value in there.registers.values())
    if trap != _PAGE_FAULT or not near:
        return None
    return SignalInfo(signal.SIGSEGV, 2 if error & 1 else 1, 0, address=address)


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
