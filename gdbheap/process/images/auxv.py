"""The auxiliary vector: what the kernel tells a program at its start."""

from __future__ import annotations

from gdbheap.process.memory import WORD_FORMATS

# elf.h
AT_PHDR = 3
AT_BASE = 7
AT_ENTRY = 9
AT_RANDOM = 25
AT_EXECFN = 31
AT_SYSINFO_EHDR = 33
AT_MINSIGSTKSZ = 51


def parse_auxv(data: bytes, pointer_size: int) -> dict[int, int]:
    """Return the auxiliary vector, (type: value), out of /proc/PID/auxv or NT_AUXV; AT_NULL ends it."""
    whole = memoryview(data[: len(data) - len(data) % (2 * pointer_size)]).cast(WORD_FORMATS[pointer_size])
    found: dict[int, int] = {}
    for kind, value in zip(whole[::2], whole[1::2]):
        if kind == 0:
            break
        found.setdefault(kind, value)
    return found
