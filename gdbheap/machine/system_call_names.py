"""The names of system calls, as the kernel's own headers have them: system_calls/MACHINE.txt has a number and the names
of the calls from there on, and lines that go on with more of them."""

from __future__ import annotations

import os

from gdbheap.files import read_regular

_DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "system_calls")
_MOST = 1 << 16


def system_call_name(machine: str, number: int) -> str:
    """Return the name that the call of this number has on a machine; "" where there is none, or it is newer."""
    for first, names in _runs(machine):
        if first <= number < first + len(names):
            return names[number - first]
    return ""


def _runs(machine: str) -> list[tuple[int, list[str]]]:
    try:
        words = read_regular(os.path.join(_DIRECTORY, f"{machine}.txt"), _MOST).decode("ascii").split()
    except OSError:
        return []
    runs: list[tuple[int, list[str]]] = []
    for word in words:
        if word.isdecimal():
            runs.append((int(word), []))
        else:
            runs[-1][1].append(word)
    return runs
