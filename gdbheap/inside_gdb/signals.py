"""Signals by gdb's names, and what one does to a process."""

from __future__ import annotations

import signal

from gdbheap.files import kernel_text

# By default these do not end a process (signal(7)).
_HARMLESS = frozenset(["SIGCHLD", "SIGURG", "SIGWINCH", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU"])
# Ctrl-C, breakpoints, and glibc's own between threads, which gdb lets pass in any case.
_GDBS = frozenset(["SIGINT", "SIGTRAP", "SIG32", "SIG33"])
_FIRST_OF_THREADS = 32


def is_fatal(pid: int, name: str) -> bool:
    """Whether this signal ends the process: neither handled nor ignored, nor harmless by default."""
    number = _number_of(name)
    return name not in _HARMLESS and number is not None and number not in _taken(pid)


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
