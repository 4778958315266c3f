"""What this system's libc can abort with, read from its code: every text that is loaded for a call of the function
that prints such texts."""

from __future__ import annotations

import functools
import re
import subprocess
from collections import defaultdict
from pathlib import Path

_LOAD = re.compile(r"\slea\s+-?0x[0-9a-f]+\(%rip\),%(\w+)\s+# ([0-9a-f]+)")
_CALL = re.compile(r"\s(call|jmp)q?\s+([0-9a-f]+) <")


def libc() -> Path:
    """Return this system's 64-bit libc."""
    return next(Path("/").glob("lib/x86_64-linux-gnu/libc.so.6")).resolve()


def texts_beside(*samples: str) -> set[str]:
    """Return the texts that are passed, in the same register, to the functions that any of the samples is passed to."""
    return {text for texts in _passed().values() if texts & set(samples) for text in texts}


@functools.cache
def _passed() -> dict[tuple[int, str], set[str]]:
    """Return the texts that are passed, by (function, register)."""
    data = libc().read_bytes()
    lines = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", str(libc())], check=True, capture_output=True, text=True, timeout=240
    ).stdout
    passed: dict[tuple[int, str], set[str]] = defaultdict(set)
    loaded: dict[str, int] = {}
    for line in lines.splitlines():
        load = _LOAD.search(line)
        if load:
            loaded[load[1]] = int(load[2], 16)
            continue
        call = _CALL.search(line)
        if call:
            for register, address in loaded.items():
                # Read-only data lies in the file where it lies in memory.
                passed[int(call[2], 16), register].add(
                    data[address : address + 300].partition(b"\0")[0].decode("latin1")
                )
        if (call and call[1] == "call") or line.endswith(">:"):
            loaded = {}
    return passed
