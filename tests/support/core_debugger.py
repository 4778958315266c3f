"""A core's Target without gdb, as `python3 -m gdbheap COMMAND --core` has it."""

from __future__ import annotations

from gdbheap.elf.cache import SymbolCache
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.session.target import Target
from gdbheap.without_gdb.core_debugger import core_debugger
from gdbheap.without_gdb.reader import Files


def core_target(path: str, cache: str, search: DebugSearch) -> Target:
    """Return the Target on the core at `path`; what is read out of files is kept in the `cache` directory."""
    return Target(core_debugger(path, Files(SymbolCache(cache), search)))
