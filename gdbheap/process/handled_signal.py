"""The signal that a handler runs for, out of what the kernel has left on the stack for it."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gdbheap.errors import MemoryFault
from gdbheap.lazy import dataclass
from gdbheap.process.signal_info import SI_KERNEL, SIGBUS, SIGSEGV, SignalInfo, parse_siginfo, union_offset

if TYPE_CHECKING:
    from gdbheap.machine.machine import Machine
    from gdbheap.process.memory import Memory

# sizeof(siginfo_t).
_SIGINFO = 128
# sizeof(kernel_siginfo_t), and of its first three members, behind which a 64-bit one has padding.
_SIGINFO_USED = 48
_INTS = 12
_SIGNALS = range(1, 65)
# A fault's address is so near to what some register holds.
_NEAR = 4096


@dataclass(frozen=True)
class Trampoline:
    """The frame that the kernel made for a handler: its stack pointer, the function that it is in ("" unknown), and the
    handler's first argument, the signal (None: not known)."""

    stack_pointer: int
    function: str
    number: int | None


def handled_signal(
    memory: Memory, machine: Machine, trampoline: Trampoline, interrupted: Mapping[str, int]
) -> SignalInfo | None:
    """Return the signal that the kernel left for the handler, which lies above the return address to the trampoline:
    the siginfo, if the handler asked for one (SA_SIGINFO), or a page fault by the registers of the processor that
    were saved. `interrupted` are the registers where it came. None where nothing tells."""
    size = machine.pointer_size
    try:
        kept = machine.code.kept_signal(memory, trampoline.stack_pointer, trampoline.function)
        # The kernel keeps the last trap: where the handler was given another signal, that trap is an older story.
        is_of_another = trampoline.number not in (None, SIGSEGV, SIGBUS)
        if not is_of_another and _explains(interrupted, kept.fault):
            return SignalInfo(SIGSEGV, 2 if kept.is_mapped else 1, 0, address=kept.fault)
        data = memory.read(kept.info, _SIGINFO) if kept.info else b""
        return parse_siginfo(data, size) if _is_siginfo(data, size) else None
    except (MemoryFault, OverflowError):
        return None


def _explains(registers: Mapping[str, int], fault: int | None) -> bool:
    """Whether the registers explain a fault at the address: else it may be of an earlier signal."""
    return fault is not None and any(abs(fault - value) < _NEAR for value in registers.values())


def _is_siginfo(data: bytes, pointer_size: int) -> bool:
    """Whether this may be a siginfo: where the handler has asked for none, it is what the stack held before."""
    if len(data) < _SIGINFO:
        return False
    number, error, code = struct.unpack_from("<iii", data)
    plausible = number in _SIGNALS and error == 0 and -64 <= code <= SI_KERNEL
    # The kernel clears what it has no use for (copy_siginfo_to_user, since Linux 4.20).
    return plausible and not any(data[_INTS : union_offset(pointer_size)]) and not any(data[_SIGINFO_USED:])
