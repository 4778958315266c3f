"""Allocators other than glibc's in a process, known by their libraries' names and by symbols that only they have."""

from __future__ import annotations

from collections.abc import Callable

from gdbheap.lazy import regex
from gdbheap.process.process import Process

# Name, what its library's file is called, and functions that a program which has it linked in defines.
_KNOWN = (
    ("jemalloc", regex(r"libjemalloc.*\.so"), ("mallctl", "je_mallctl", "_rjem_mallctl")),
    ("tcmalloc", regex(r"libtcmalloc.*\.so"), ("tc_malloc", "MallocExtension_GetNumericProperty")),
    ("mimalloc", regex(r"libmimalloc.*\.so"), ("mi_malloc",)),
)


def other_allocators(process: Process, is_defined: Callable[[str], bool]) -> list[str]:
    """Return the names of the allocators found; `is_defined(symbol)` says whether a module of the process defines
    it."""
    files = [module.path.rpartition("/")[2] for module in process.modules]
    return [
        name
        for name, pattern, symbols in _KNOWN
        if any(pattern.match(file) for file in files) or any(map(is_defined, symbols))
    ]
