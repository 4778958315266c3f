"""Processes that were killed while gdb had them stopped, and looked at them or at another.

gdb begins by stepping each thread past the breakpoint that it stopped at. Where that thread has ended, gdb (10 to 18)
takes the step as never done, and lets no process run again; or it fails at the registers. So the ended go first: alone,
with no breakpoints, until gdb has heard of their end.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress

import gdb

from gdbheap.files import kernel_text

_ENDED = "ZXx"


def let_killed_end(breakpoints: Sequence[gdb.Breakpoint]) -> None:
    """Have gdb hear of the end of each process that was killed while it stood still, and select one that was not, if
    there is one. (All are stopped; `breakpoints` are set in all.)"""
    inferiors = [each for each in gdb.inferiors() if each.pid]
    killed = [each for each in inferiors if has_ended(each.pid)]
    if killed:
        enabled = [each for each in breakpoints if each.enabled]
        together = gdb.parameter("schedule-multiple")
        _let(False, enabled)
        gdb.execute("set schedule-multiple off", to_string=True)
        for each in killed:
            _let_end(each)
        gdb.execute(f"set schedule-multiple {'on' if together else 'off'}", to_string=True)
        _let(True, enabled)
    living = [each for each in inferiors if each.is_valid() and each.pid and each.threads()]
    if living and not gdb.selected_inferior().pid:
        # (The command `inferior` would read registers, which fail where that one has ended meanwhile.)
        living[0].threads()[0].switch()


def has_ended(process: int) -> bool:
    """Whether no thread of the process is left, by the kernel. (The main thread may be gone before the others.)"""
    try:
        return all(
            _state(f"/proc/{process}/task/{each}/stat") in _ENDED for each in os.listdir(f"/proc/{process}/task")
        )
    except OSError:
        return True


def _state(path: str) -> str:
    try:
        return kernel_text(path).rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return _ENDED[0]


def _let_end(inferior: gdb.Inferior) -> None:
    threads = inferior.threads()
    if threads:
        threads[0].switch()
        gdb.execute("continue", to_string=True)


def _let(enabled: bool, breakpoints: Sequence[gdb.Breakpoint]) -> None:
    for each in breakpoints:
        with suppress(RuntimeError):  # it went with its program
            each.enabled = enabled
