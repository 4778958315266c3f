"""An ELF file opened for pyelftools, and the contents of its sections, no more of either than is bearable."""

from __future__ import annotations

from typing import Any

from elftools.common.exceptions import ELFError

from gdbheap.elf.budget import Budget, BudgetedFile
from gdbheap.files import open_regular

_MOST_DATA = 1 << 16


def open_elf(path: str) -> BudgetedFile:
    """Return the regular file of that name for ELFFile(); OSError."""
    return BudgetedFile(open_regular(path), Budget())


def data_of(section: Any, most: int = _MOST_DATA) -> bytes:
    """Return what a section of such a file holds; ELFError where that is more than `most` bytes, as it is or
    inflated."""
    if size_of(section) > most:
        raise ELFError(f"its {section.name} takes {section.data_size} bytes")
    with section.stream.unbounded():
        return bytes(section.data())


def size_of(section: Any) -> int:
    """Return how large the contents are, inflated, as they are for certain not to exceed; ELFError."""
    # To zlib a bound of 0 is none.
    if section.compressed and section.data_size == 0:
        raise ELFError(f"its {section.name} is compressed and empty")
    return int(section.data_size)
