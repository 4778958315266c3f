"""Linked names as C++ writes them, by the C++ library's own demangler (the Itanium C++ ABI's __cxa_demangle), where
this machine has one."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable

from gdbheap.lazy import regex

_LIBRARY = "libstdc++.so.6"
_LONGEST = 1 << 16
_ANONYMOUS = "(anonymous "
_OPERATOR = regex(
    r"operator(?:\(\)|\[\]|<=>|<<=?|>>=?|->\*?|[-+*/%^&|=<>!]=?|&&|\|\||\+\+|--|~|,|\"\"\s*\w+|"
    r" (?:new|delete)(?:\[\])?)(?: (?=<))?"
)
_GOES_ON = regex(r"(?: const| volatile| &{1,2})*::")


def demangled(name: str) -> str:
    """Return the name as C++ writes it; itself where it is none of C++'s, or nobody here demangles."""
    demangle = _demangler() if name.startswith("_Z") and len(name) <= _LONGEST else None
    if demangle is None:
        return name
    own, at, version = name.partition("@")  # where it is copied from a library
    return f"{demangle(own)}{at}{version}"


def without_parameters(name: str) -> str:
    """Return a function's demangled name ("int work<int>(char*) const") as debuggers name its frame: "work<int>"."""
    depth, start, end = 0, 0, len(name)
    index, operator = 0, name.find("operator")
    while index < len(name):
        char = name[index]
        if index == operator and (not index or not (name[index - 1].isalnum() or name[index - 1] == "_")):
            # operator(), operator<, operator->: no brackets; a conversion's type has blanks.
            symbol = _OPERATOR.match(name, index)
            if symbol is not None:
                index = symbol.end()
                continue
            opening = name.find("(", index)
            return name[start : opening if opening > 0 else len(name)]
        if char == "(" and not depth and not name.startswith(_ANONYMOUS, index) and index > start:
            end = index
            # A function in a function ("work(int)::{lambda()#1}") goes on.
            closing = _closing(name, index)
            rest = name[closing:]
            match = _GOES_ON.match(rest)
            if match is None:
                break
            index, end = closing, len(name)
            continue
        depth += char in "(<[{"
        depth -= char in ")>]}"
        if char == " " and not depth:
            start = index + 1
        index += 1
    return name[start:end]


def _closing(name: str, index: int) -> int:
    depth = 0
    for at in range(index, len(name)):
        depth += name[at] == "("
        depth -= name[at] == ")"
        if not depth:
            return at + 1
    return len(name)


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
