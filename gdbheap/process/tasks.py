"""The tasks (threads) of a process on this machine: once the main thread has ended, /proc serves under another's id
alone."""

from __future__ import annotations

import os
from collections.abc import Collection

from gdbheap.files import open_regular


def living_task(pid: int) -> int:
    """Return the process's id, or where its main thread has ended (it is a zombie then, whose /proc/PID tells no
    mapping) that of a thread which has not."""
    if _has_memory(pid):
        return pid
    return next((task for task in sorted(_tasks(pid)) if _has_memory(task)), pid)


def has_ended(pid: int) -> bool:
    """Whether nothing of a process whose mappings could be seen is left: it was killed, and its debugger has not
    waited for it yet."""
    return not _has_memory(living_task(pid))


def others(pid: int, known: Collection[int]) -> tuple[int, ...]:
    """Return the ids of the process's threads that are not among the `known` ones, and have not ended."""
    return tuple(sorted(task for task in _tasks(pid) - set(known) if _has_memory(task)))


def _tasks(pid: int) -> set[int]:
    try:
        return {int(name) for name in os.listdir(f"/proc/{pid}/task")}
    except OSError:
        return set()


def _has_memory(task: int) -> bool:
    """Whether /proc tells any mapping of it: it tells none of what has ended, though nobody has waited for it."""
    try:
        with open_regular(f"/proc/{task}/maps") as file:
            return bool(file.read(1))
    except OSError:
        return False
