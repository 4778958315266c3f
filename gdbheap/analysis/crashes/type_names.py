"""The names of C++ types by their type_info objects, with a symbol or without."""

from __future__ import annotations

from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.objects import type_info

_LINKED, _TOLD = "_ZTI", "typeinfo for "


def type_name(crash: CrashContext, info: int) -> str:
    """Return the name of the type whose type_info is at the address by its symbol, "" where none says that one is."""
    symbol = crash.symbol_at(info) if info else None
    return "" if symbol is None else symbol.type_name


def name_without_symbol(crash: CrashContext, info: int) -> str:
    """Return the name that the type_info at the address has itself, as it is written in C++ (mangled, where gdb
    cannot tell); "" where it cannot be one."""
    mangled = type_info.type_name(crash.process, info)
    if not mangled:
        return ""
    told = crash.demangled(_LINKED + mangled)
    return told[len(_TOLD) :] if told.startswith(_TOLD) else f"(mangled) {mangled}"
