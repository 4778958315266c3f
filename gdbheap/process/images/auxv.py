"""The auxiliary vector: what the kernel tells a program at its start."""

from __future__ import annotations

from collections.abc import Mapping

from gdbheap.process.memory import SMALLEST_PAGE, WORD_FORMATS

_LARGEST_PAGE = 1 << 20

# elf.h
AT_PHDR = 3
AT_PAGESZ = 6
AT_BASE = 7
AT_ENTRY = 9
AT_RANDOM = 25
AT_HWCAP2 = 26
AT_EXECFN = 31
AT_SYSINFO_EHDR = 33
AT_MINSIGSTKSZ = 51


def told_page_size(auxv: Mapping[int, int]) -> int | None:
    """Return the size of a page as the kernel told the program; None where it did not, or it is none any more."""
    told = auxv.get(AT_PAGESZ, 0)
    return told if SMALLEST_PAGE <= told <= _LARGEST_PAGE and told & (told - 1) == 0 else None


def parse_auxv(data: bytes, pointer_size: int) -> dict[int, int]:
    """Return the auxiliary vector, (type: value), out of /proc/PID/auxv or NT_AUXV; AT_NULL ends it."""
    whole = memoryview(data[: len(data) - len(data) % (2 * pointer_size)]).cast(WORD_FORMATS[pointer_size])
    found: dict[int, int] = {}
    for kind, value in zip(whole[::2], whole[1::2]):
        if kind == 0:
            break
        found.setdefault(kind, value)
    return found
