"""gdb kept to the process that it has, whatever that forks, for as long as it is let run by us."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import gdb

# (Where it is given, a second program of one process would be another inferior of gdb's.)
_STAYING = {"follow-fork-mode": "parent", "detach-on-fork": "on", "follow-exec-mode": "same"}


@contextmanager
def kept_to_one_process() -> Iterator[tuple[str, ...]]:
    """Have gdb stay with this process, and let its children go; yield the settings of the user's that are set aside
    for so long ("follow-fork-mode child")."""
    before = {name: _shown(gdb.parameter(name)) for name in _STAYING}
    aside = {name: value for name, value in before.items() if value != _STAYING[name]}
    for name in aside:
        gdb.execute(f"set {name} {_STAYING[name]}", to_string=True)
    try:
        yield tuple(f"{name} {value}" for name, value in aside.items())
    finally:
        for name, value in aside.items():
            gdb.execute(f"set {name} {value}", to_string=True)


def _shown(value: object) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)
