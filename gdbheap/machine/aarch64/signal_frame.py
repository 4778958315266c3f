"""What the kernel leaves on the stack for a signal handler: siginfo, the alternate stack that was set up, and the
registers, among them those of a fault."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.errors import MemoryFault
from gdbheap.machine.code import HandlerFrame, KeptSignal
from gdbheap.machine.stopped import Bytes, PointerWords

_SIGNALS = range(1, 65)
# mov x8, #139 (rt_sigreturn); svc #0: what a handler returns to. (The kernel's has no call frame information.)
TRAMPOLINE = b"\x68\x11\x80\xd2\x01\x00\x00\xd4"
# struct rt_sigframe (arch/arm64/kernel/signal.c), at the stack pointer of the trampoline that the handler returns to:
# siginfo, which the kernel fills in for handlers that asked for it alone, then struct ucontext (uc_flags, uc_link,
# uc_stack {ss_sp, ss_flags, ss_size}, uc_sigmask and its reserve, and the sigcontext).
INFO, CONTEXT = 0, 128
_STACK, _SIZE = CONTEXT + 16, CONTEXT + 32
# struct sigcontext: fault_address, regs[31], sp, pc, pstate, and records up to one whose magic is 0.
REGISTERS = CONTEXT + 176
SAVED = 8 * 35
_RECORDS, _RESERVED = REGISTERS + 288, 4096
_ESR_MAGIC = 0x4553_5201
# Of the exception syndrome: its class (an abort of an instruction or of data, from the program), and the fault's
# status: a translation has failed, or a permission.
_CLASS, _ABORTS = 26, (0x20, 0x24)
_TRANSLATIONS, _REFUSALS = range(0x4, 0x8), range(0xC, 0x10)


def read_signal_frame(words: PointerWords, pointer: int) -> HandlerFrame:
    """Return the bounds of the alternate stack, None where the frame at `pointer` does not tell; nothing in a frame
    tells whether siginfo was filled in for this signal."""
    try:
        start, size = words.read(pointer + _STACK), words.read(pointer + _SIZE)
    except MemoryFault:
        return HandlerFrame()
    return HandlerFrame(None, (start, start + size) if start and size else None)


def saved_registers(words: PointerWords, pointer: int) -> dict[str, int]:
    """Return the registers that the frame at `pointer` has saved; raise MemoryFault."""
    saved = words.read_many(pointer + REGISTERS + 8, SAVED // 8 - 1)
    names = (*(f"x{number}" for number in range(31)), "sp", "pc", "cpsr")
    return dict(zip(names, map(int, saved)))


def kept_signal(memory: Bytes, pointer: int) -> KeptSignal:
    """Return where siginfo lies, and the fault that the saved registers tell of (the last of the thread's, which may be
    another than this signal's); raise MemoryFault."""
    address = int.from_bytes(memory.read(pointer + REGISTERS, 8), "little")
    syndrome = next(_syndromes(memory.read(pointer + _RECORDS, _RESERVED)), None)
    if syndrome is None or syndrome >> _CLASS & 0x3F not in _ABORTS:
        return KeptSignal(pointer + INFO)
    status = syndrome & 0x3F
    if status not in _TRANSLATIONS and status not in _REFUSALS:
        return KeptSignal(pointer + INFO)
    return KeptSignal(pointer + INFO, address, status in _REFUSALS)


def _syndromes(records: bytes) -> Iterator[int]:
    """Yield the exception syndromes among the frame's records (struct _aarch64_ctx: magic and size)."""
    at = 0
    while at + 16 <= len(records):
        magic, size = (int.from_bytes(records[at + more : at + more + 4], "little") for more in (0, 4))
        if magic == _ESR_MAGIC:
            yield int.from_bytes(records[at + 8 : at + 16], "little")
        if not magic or size < 8:
            return
        at += size
