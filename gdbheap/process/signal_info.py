"""siginfo_t: why a thread was signalled, as the kernel and gdb write it into a core (NT_SIGINFO)."""

from __future__ import annotations

import signal
import struct
from dataclasses import dataclass

# Signals whose siginfo holds an address when the kernel itself raised them (si_code > 0).
_WITH_ADDRESS = frozenset({signal.SIGILL, signal.SIGTRAP, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV})

# Those that stop a program for a fault of its own (si_code tells whether they do).
FATAL = frozenset(
    {signal.SIGILL, signal.SIGTRAP, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV, signal.SIGSYS}
)

# SEGV_PKUERR, from asm-generic/siginfo.h.
_PKUERR = 4


@dataclass(frozen=True)
class SignalInfo:
    """`address` is si_addr where the kernel raised the signal for one, `sender` si_pid where a process sent it, else None.

    `protection_key` is si_pkey of a protection key's denial.
    """

    signal: int
    code: int
    errno: int
    address: int | None = None
    sender: int | None = None
    protection_key: int | None = None


def signal_name(number: int) -> str:
    """Return "SIGSEGV", ...; "signal 40" for one without a name of its own."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def parse_siginfo(data: bytes, word: int) -> SignalInfo | None:
    """Return the siginfo in `data`, of a process with `word` bytes to a pointer; None where `data` is too short to hold one."""
    # include/uapi/asm-generic/siginfo.h: three ints, then a union aligned to a pointer.
    union = 16 if word == 8 else 12
    if len(data) < union + 2 * word + 16:
        return None
    number, errno, code = struct.unpack_from("<iii", data)
    if number in _WITH_ADDRESS and code > 0:
        address = int.from_bytes(data[union : union + word], "little")
        # si_addr_lsb is a short, padded to a pointer; the key follows it.
        key = (
            struct.unpack_from("<I", data, union + 2 * word)[0] if (number, code) == (signal.SIGSEGV, _PKUERR) else None
        )
        return SignalInfo(number, code, errno, address=address, protection_key=key)
    sender = struct.unpack_from("<i", data, union)[0] if code <= 0 else None
    return SignalInfo(number, code, errno, sender=sender)
