"""Signals by gdb's names, and what one does to a process."""

from __future__ import annotations

import signal
from typing import Any

import gdb

from gdbheap.files import kernel_text

# By default these do not end a process (signal(7)).
_HARMLESS = frozenset(["SIGCHLD", "SIGURG", "SIGWINCH", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU"])
# Ctrl-C, breakpoints, and glibc's own between threads, which gdb lets pass in any case.
_GDBS = frozenset(["SIGINT", "SIGTRAP", "SIG32", "SIG33"])
_FIRST_OF_THREADS = 32
# Of a SIGTRAP: sent by somebody, or by an instruction of the program's (siginfo's codes; those of the stops that gdb
# asks for are others).
_OWN_TRAPS = frozenset([0, -1, -6, 1, 0x80])


def is_fatal(pid: int, name: str) -> bool:
    """Whether this signal ends the process: neither handled nor ignored, nor harmless by default."""
    number = _number_of(name)
    return name not in _HARMLESS and number is not None and number not in _taken(pid)


def is_own_trap(event: Any) -> bool:
    """Whether the program was stopped by a SIGTRAP that is not gdb's business: gdb has no signal's event for one."""
    if type(event) is not gdb.StopEvent:
        return False
    try:
        told = gdb.convenience_variable("_siginfo")
        if told is None:
            return False
        number, code = int(told["si_signo"]), int(told["si_code"])
    except gdb.error:
        return False
    return number == signal.SIGTRAP and code in _OWN_TRAPS


def taken_signals(pid: int) -> list[str]:
    """Return gdb's names of those that the process handles or ignores, without those that are gdb's own business."""
    names = [name_of(each) if each < _FIRST_OF_THREADS else f"SIG{each}" for each in sorted(_taken(pid))]
    return [each for each in names if each not in _GDBS]


def _taken(pid: int) -> set[int]:
    try:
        lines = dict(line.split(":", 1) for line in kernel_text(f"/proc/{pid}/status").splitlines() if ":" in line)
        taken = int(lines["SigCgt"], 16) | int(lines["SigIgn"], 16)
    except (OSError, KeyError, ValueError):
        return set()
    return {number for number in range(1, 65) if taken >> (number - 1) & 1}


def _number_of(name: str) -> int | None:
    """Return the number of a signal by gdb's name ("SIGSEGV", "SIG34"); None for one of gdb's own."""
    if name in signal.Signals.__members__:
        return int(signal.Signals[name])
    digits = name[3:]
    return int(digits) if digits.isdecimal() else None


def name_of(number: int) -> str:
    """Return the name of a signal as Linux numbers it."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
