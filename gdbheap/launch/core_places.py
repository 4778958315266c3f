"""Where the kernel puts the cores of programs that die here."""

from __future__ import annotations

import os
import resource
import shlex

from gdbheap.files import kernel_text

PATTERN = "/proc/sys/kernel/core_pattern"
# Who takes cores where the pattern is a pipe, and how they are had from there.
_KEEPERS = {
    "systemd-coredump": "coredumpctl dump PID --output=FILE",
    "apport": "apport-unpack /var/crash/REPORT DIRECTORY (its file CoreDump)",
    "abrt-hook-ccpp": "abrt-cli list (its directory has the file coredump)",
}
_TO_FILES = "sudo sysctl -w kernel.core_pattern=core.%p"


def where_cores_go(pattern: str, limit: int) -> tuple[str, str]:
    """Return where cores go by this kernel.core_pattern and this limit on their size, and what has them as files
    ("": nothing needs to be done)."""
    if pattern.startswith("|"):
        words = _split(pattern[1:])
        keeper = os.path.basename(words[0]) if words else "nobody"
        advice = f"{_KEEPERS[keeper]}, or as files: {_TO_FILES}" if keeper in _KEEPERS else _TO_FILES
        return f"the kernel gives them to {keeper}", advice
    if not limit:
        return "not written: the limit on their size is 0", "ulimit -c unlimited, where the program is started"
    place = "the program's current directory" if not pattern.startswith("/") else os.path.dirname(pattern)
    return f"written to {place}, as {os.path.basename(pattern) or 'core'}", ""


def cores_here() -> tuple[str, str]:
    """Return the same of this machine and this process."""
    try:
        pattern = kernel_text(PATTERN).strip()
    except OSError:
        return "not known: core_pattern cannot be read", ""
    return where_cores_go(pattern, resource.getrlimit(resource.RLIMIT_CORE)[0])


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
