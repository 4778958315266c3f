"""gdb with its hands off the process: no call of its functions, no write to its memory or registers, while something
is evaluated."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import gdb

_SWITCHES = ("may-call-functions", "may-write-memory", "may-write-registers")
_Value = TypeVar("_Value")


def hands_off(compute: Callable[[], _Value]) -> _Value:
    """Return compute(), with gdb's permissions to change the process switched off for so long; gdb.error where it needs
    one of them.

    The switches that were on are on again afterwards, whatever happens, Ctrl-C included; breakpoints are let be.
    Some gdbs (10 and 13 do) refuse to switch registers while there is a process: find_assignment() is what keeps
    those.
    """
    switches = [name for name in _SWITCHES if gdb.parameter(name)]
    try:
        for name in switches:
            _switch(name, "off")
        return compute()
    finally:
        interrupted = None
        while switches:
            try:
                _switch(switches[-1], "on")
                switches.pop()
            except KeyboardInterrupt as error:  # until each is back
                interrupted = error
        if interrupted is not None:
            raise interrupted


def _switch(name: str, state: str) -> None:
    try:
        gdb.execute(f"set {name} {state}", to_string=True)
    except gdb.error:
        if name != "may-write-registers":
            raise
