"""Whether what is written may go into a pipe rather than to the terminal."""

from __future__ import annotations

import fcntl
import os


def pipes_held() -> set[str]:
    """Return the pipes that this process holds the writing end of, and no other end.

    gdb's `pipe COMMAND | less` makes one, and does not tell its commands that their output goes there.
    """
    ends: dict[str, set[int]] = {}
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            name = os.readlink(f"/proc/self/fd/{descriptor}")
            if name.startswith("pipe:"):
                ends.setdefault(name, set()).add(fcntl.fcntl(int(descriptor), fcntl.F_GETFL) & os.O_ACCMODE)
        except OSError:
            continue  # closed since it was listed
    return {name for name, modes in ends.items() if modes == {os.O_WRONLY}}
