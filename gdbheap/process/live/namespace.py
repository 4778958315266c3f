"""The number that a process goes by in its own pid namespace: the one that its own signals carry."""

from __future__ import annotations


def pid_in_namespace(status: str) -> int | None:
    """Return it from the text of /proc/PID/status, whose NStgid tells the process's ids from our namespace inwards
    (a thread's, too); None where it is not there."""
    for line in status.splitlines():
        if line.startswith("NStgid:"):
            numbers = line.split()[1:]
            return int(numbers[-1]) if numbers and numbers[-1].isdecimal() else None
    return None
