"""What the kernel alone holds of a live process's pointers, as far as /proc tells: epoll's data, timers' values, and
that io_uring has work."""

from __future__ import annotations

import os
import re

from gdbheap.files import read_regular
from gdbheap.lazy import dataclass, regex

_EPOLL, _URING = "anon_inode:[eventpoll]", "anon_inode:[io_uring]"
# As ep_show_fdinfo() in fs/eventpoll.c, show_timer() in fs/proc/base.c and io_uring/fdinfo.c write them.
_DATA = regex(r"^tfd: +([0-9]+) events: +[0-9a-f]+ data: +([0-9a-f]+)", re.MULTILINE)
_TIMER = regex(r"^ID: ([0-9]+)\nsignal: [0-9]+/([0-9a-f]+)", re.MULTILINE)
_TAKEN, _DONE = (regex(rf"^{name}:\s+([0-9]+)", re.MULTILINE) for name in ("CachedSqHead", "CachedCqTail"))
# So many descriptors are looked at, and so much of what one tells.
_MOST = 1 << 16
_LONGEST = 16 << 20


@dataclass(frozen=True)
class InKernel:
    """`words` are (what holds it, value): "epoll 3 for descriptor 5". `rings` counts the io_urings, `operations`
    what they have taken and not completed (their user_data is told by nobody)."""

    words: tuple[tuple[str, int], ...] = ()
    rings: int = 0
    operations: int = 0


def read_in_kernel(pid: int) -> InKernel:
    """Return what the kernel holds for a process on this machine; nothing where it does not tell."""
    words: list[tuple[str, int]] = []
    rings = operations = 0
    for descriptor, link in _descriptors(pid):
        if link == _EPOLL:
            text = _text(f"/proc/{pid}/fdinfo/{descriptor}")
            words += [
                (f"epoll {descriptor} for descriptor {each[1]}", int(each[2], 16)) for each in _DATA.finditer(text)
            ]
        elif link == _URING:
            rings += 1
            operations += _in_flight(_text(f"/proc/{pid}/fdinfo/{descriptor}"))
    for match in _TIMER.finditer(_text(f"/proc/{pid}/timers")):
        words.append((f"timer {match[1]}", int(match[2], 16)))
    return InKernel(tuple(words), rings, operations)


def _descriptors(pid: int) -> list[tuple[str, str]]:
    """Return the process's descriptors, with what each is."""
    found = []
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return []
    for name in sorted(names, key=lambda each: (len(each), each))[:_MOST]:
        try:
            found.append((name, os.readlink(f"/proc/{pid}/fd/{name}")))
        except OSError:
            continue
    return found


def _in_flight(text: str) -> int:
    """Return how many operations an io_uring has taken from its queue and not completed."""
    taken, done = (pattern.search(text) for pattern in (_TAKEN, _DONE))
    return (int(taken[1]) - int(done[1])) % (1 << 32) if taken and done else 0


def _text(path: str) -> str:
    try:
        return read_regular(path, _LONGEST).decode("ascii", "replace")
    except OSError:
        return ""
