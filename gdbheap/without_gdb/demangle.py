"""Linked names as C++ writes them, by the C++ library's own demangler (the Itanium C++ ABI's __cxa_demangle), where
this machine has one."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable

_LIBRARY = "libstdc++.so.6"
_LONGEST = 1 << 16


def demangled(name: str) -> str:
    """Return the name as C++ writes it; itself where it is none of C++'s, or nobody here demangles."""
    demangle = _demangler() if name.startswith("_Z") and len(name) <= _LONGEST else None
    return name if demangle is None else demangle(name)


@functools.cache
def _demangler() -> Callable[[str], str] | None:
    try:
        library, libc = ctypes.CDLL(_LIBRARY), ctypes.CDLL(None)
        function, free = library.__cxa_demangle, libc.free
    except (OSError, AttributeError):
        return None
    function.restype = ctypes.c_void_p
    function.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int)]
    free.restype, free.argtypes = None, [ctypes.c_void_p]

    @functools.lru_cache(1 << 14)
    def demangle(name: str) -> str:
        status = ctypes.c_int()
        found = function(name.encode("utf-8", "surrogateescape"), None, None, ctypes.byref(status))
        if not found:
            return name
        try:
            return ctypes.string_at(found).decode("utf-8", "replace")
        finally:
            free(found)

    return demangle
