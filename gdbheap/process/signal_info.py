"""siginfo_t: why a thread was signalled, as the kernel and gdb write it into a core (NT_SIGINFO)."""

from __future__ import annotations

import signal
import struct

from gdbheap.lazy import dataclass

# The signals of the processes that are looked at, which are those of this machine's own.
SIGILL, SIGTRAP, SIGABRT, SIGBUS = map(int, (signal.SIGILL, signal.SIGTRAP, signal.SIGABRT, signal.SIGBUS))
SIGFPE, SIGSEGV, SIGSYS = map(int, (signal.SIGFPE, signal.SIGSEGV, signal.SIGSYS))
# Those that an instruction's access brings.
OF_ACCESSES = (SIGBUS, SIGSEGV)
# Those whose siginfo holds an address when the kernel itself raised them (si_code > 0).
_WITH_ADDRESS = frozenset({SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV})

# Those that stop a program for a fault of its own (si_code tells whether they do).
FATAL = frozenset({SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS})

# si_code, from asm-generic/siginfo.h.
SI_KERNEL, SI_USER, SI_TKILL = 0x80, 0, -6
SEGV_MAPERR, SEGV_ACCERR, SEGV_PKUERR = 1, 2, 4
# A tag of memory that was wrong (MTE): told late, without the address, and at once.
SEGV_MTEAERR, SEGV_MTESERR = 8, 9
FPE_INTDIV = 1
BUS_ADRALN, BUS_ADRERR, BUS_OBJERR, BUS_MCEERR_AR, BUS_MCEERR_AO = 1, 2, 3, 4, 5
_SYS_SECCOMP = 1
# Three ints begin it; the union behind them is aligned to a pointer.
_INTS = 12


@dataclass(frozen=True)
class SignalInfo:
    """`address` is si_addr where the kernel raised the signal for one, `sender` si_pid where a process sent it, else
    None.

    `protection_key` is si_pkey of a protection key's denial, `system_call` si_syscall of a filter's.
    """

    signal: int
    code: int
    errno: int
    address: int | None = None
    sender: int | None = None
    protection_key: int | None = None
    system_call: int | None = None


def signal_name(number: int) -> str:
    """Return "SIGSEGV", ...; "signal 40" for one without a name of its own."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def parse_siginfo(data: bytes, pointer_size: int) -> SignalInfo | None:
    """Return the siginfo in `data`, of a process with pointers of `pointer_size` bytes; None where `data` is too
    short to hold one."""
    # include/uapi/asm-generic/siginfo.h: three ints, then a union aligned to a pointer.
    union = union_offset(pointer_size)
    if len(data) < union + 2 * pointer_size + 16:
        return None
    number, errno, code = struct.unpack_from("<iii", data)
    if number in _WITH_ADDRESS and code > 0:
        address = int.from_bytes(data[union : union + pointer_size], "little")
        # si_addr_lsb is a short, padded to a pointer; the key follows it.
        denied = (number, code) == (SIGSEGV, SEGV_PKUERR)
        key = struct.unpack_from("<I", data, union + 2 * pointer_size)[0] if denied else None
        return SignalInfo(number, code, errno, address=address, protection_key=key)
    if (number, code) == (SIGSYS, _SYS_SECCOMP):
        return SignalInfo(number, code, errno, system_call=struct.unpack_from("<i", data, union + pointer_size)[0])
    sender = struct.unpack_from("<i", data, union)[0] if code <= 0 else None
    return SignalInfo(number, code, errno, sender=sender)


def union_offset(pointer_size: int) -> int:
    """Return how far into a siginfo_t the members begin that depend on the signal, in bytes."""
    return -(-_INTS // pointer_size) * pointer_size
