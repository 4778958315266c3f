"""The environment that a process was started with, where its strings lie on the initial stack."""

from __future__ import annotations

import re

from gdbheap.errors import MemoryFault
from gdbheap.process.images.auxv import AT_EXECFN
from gdbheap.process.process import Process

# The environment ends where the program's own name begins (AT_EXECFN); so much of it is looked through.
_MOST = 1 << 17
_NUMBER = rb"=(0[xX][0-9a-fA-F]{1,16}|\d{1,20})"


def environment(process: Process) -> bytes:
    """Return the strings, each ended by NUL; b"" where they are not known."""
    end = process.auxv.get(AT_EXECFN)
    stack = process.address_space.find(end) if end else None
    if end is None or stack is None:
        return b""
    start = max(stack.start, end - _MOST)
    try:
        return process.memory.read(start, end - start)
    except MemoryFault:
        return b""


def tunable(process: Process, name: str, variable: str = "") -> int | None:
    """Return the number that a tunable of glibc's was set to in the environment, or by a `variable` of its own; None
    where neither is there."""
    names = [
        rb"GLIBC_TUNABLES=[^\0]*?" + re.escape(name.encode()),
        *([re.escape(variable.encode())] if variable else []),
    ]
    match = re.search(rb"(?:^|\0)(?:" + b"|".join(names) + rb")" + _NUMBER, environment(process))
    return None if match is None else _number(match[1].decode())


def _number(text: str) -> int | None:
    """Return a number as strtoul(3) reads it."""
    octal = text.startswith("0") and text[1:].isdigit()
    try:
        return int(text, 8 if octal else 0)
    except ValueError:
        return None
