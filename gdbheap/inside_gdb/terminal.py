"""Whether what gdb writes is seen by somebody as it is written."""

from __future__ import annotations

import os

from gdbheap.report.pipes import pipes_held

_pipes_at_start = pipes_held()


def is_terminal() -> bool:
    """Whether gdb writes to a terminal, and not into a pipe that its own command `pipe` made since."""
    return os.isatty(1) and not pipes_held() - _pipes_at_start
