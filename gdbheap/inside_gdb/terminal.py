"""Whether what gdb writes is seen by somebody as it is written."""

from __future__ import annotations

import os

from gdbheap.report.pipes import pipes_held

_pipes_at_start = pipes_held()


def is_terminal() -> bool:
    """Whether gdb writes to a terminal, and not into a pipe that its own command `pipe` made since."""
    return os.isatty(1) and not pipes_held() - _pipes_at_start


def takes_colour() -> bool:
    """Whether the terminal takes colours, and the user wants them (TERM=dumb, https://no-color.org)."""
    return os.environ.get("TERM", "dumb") != "dumb" and not os.environ.get("NO_COLOR")


def is_interactive() -> bool:
    """Whether somebody sits at gdb's prompt: at a terminal, and gdb is not to end by itself (-batch)."""
    if not (os.isatty(0) and is_terminal()):
        return False
    from gdbheap.files import kernel_text

    try:
        words = kernel_text("/proc/self/cmdline").split("\0")
    except OSError:
        return False
    own = words[: words.index("--args")] if "--args" in words else words
    return not any(word.lstrip("-").startswith("batch") for word in own if word.startswith("-"))
