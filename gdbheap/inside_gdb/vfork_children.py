"""Children of vfork, while they are in their parent's memory.

Such a child has no heap of its own, and its parent waits for it in a way that no debugger can interrupt: gdb waits for
ever where the child comes to a breakpoint while the parent is let run. So the child runs alone, with no breakpoints,
until it has memory of its own (exec) or has ended.
"""

from __future__ import annotations

from collections.abc import Sequence

import gdb

_ALONE = ("schedule-multiple off", "follow-fork-mode child")
_TOGETHER = ("schedule-multiple on", "follow-fork-mode parent")


class VforkChildren:
    """Lets them run. (A child of vfork may call vfork: `depth` of them wait for one another.)"""

    def __init__(self) -> None:
        # For each the inferiors that there were before.
        self._others: list[set[int]] = []

    @property
    def depth(self) -> int:
        return len(self._others)

    def began(self, breakpoints: Sequence[gdb.Breakpoint]) -> None:
        """gdb has stopped at a vfork: from here on the child runs alone."""
        self._others.append({each.num for each in gdb.inferiors()})
        _let(True, breakpoints)

    def parted(self, inferior: gdb.Inferior, breakpoints: Sequence[gdb.Breakpoint]) -> bool:
        """Whether this process was such a child, which has memory of its own now, or has ended: the others run too."""
        if not self._others or inferior.num in self._others[-1]:
            return False
        self._others.pop()
        _let(self.depth > 0, breakpoints)
        return True


def _let(alone: bool, breakpoints: Sequence[gdb.Breakpoint]) -> None:
    for each in _ALONE if alone else _TOGETHER:
        gdb.execute(f"set {each}", to_string=True)
    for breakpoint in breakpoints:
        breakpoint.enabled = not alone
