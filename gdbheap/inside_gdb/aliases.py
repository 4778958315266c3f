"""Names that users of pwndbg and GEF have in their fingers: gdb's aliases of gdbheap's commands, where they are wanted
(`set gdbheap aliases on`) and nobody has the name."""

from __future__ import annotations

import gdb

from gdbheap.inside_gdb.text import output_of, spelled
from gdbheap.interface.prefix import PREFIX

# What each name stands for.
ALIASES = {
    "arenas": "heap arenas",
    "bins": "heap bins",
    "fastbins": "heap bins fastbin",
    "tcachebins": "heap bins tcache",
    "unsortedbin": "heap bins unsorted",
    "smallbins": "heap bins small",
    "largebins": "heap bins large",
    "malloc_chunk": "heap chunk",
    "mp": "heap params",
    "leakfind": "heap owners",
    "telescope": "explain",  # where the word at an address leads, and where that does
    "vis": "heap vis",
    "vis_heap_chunks": "heap vis",
    "xinfo": "explain",
}
# Those that have been made: gdb has no way to take an alias back.
_made: set[str] = set()


def set_aliases(wanted: bool) -> str:
    """Make the aliases, and return what is to be said of it."""
    if not wanted:
        return "the aliases stay until gdb ends: gdb cannot remove one" if _made else ""
    left = [name for name in ALIASES if name not in _made and not _make(name)]
    said = f"aliases: {', '.join(sorted(_made))}" if _made else "there is no alias"
    return spelled(f"{said}; already taken by others: {', '.join(left)}" if left else said)


def _make(name: str) -> bool:
    """Make one alias; return whether it is there now."""
    try:
        if name in output_of(f"complete {name}").split("\n"):
            return False
        gdb.execute(f"alias {name} = {PREFIX} {ALIASES[name]}", to_string=True)
    except gdb.error:
        return False
    _made.add(name)
    return True
