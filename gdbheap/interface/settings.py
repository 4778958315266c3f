"""What `set gdbheap NAME` and `show gdbheap NAME` know."""

from __future__ import annotations

from collections import namedtuple


class Setting(namedtuple("_Setting", "name kind default summary description")):
    """`kind` is "count" (int, None where unlimited) or "flag" (bool)."""

    __slots__ = ()


SETTINGS = (
    Setting(
        "limit",
        "count",
        50,
        "how many rows a command shows in its text answer",
        "A longer answer ends with the number of rows left out. `unlimited` shows all. JSON always has every row.",
    ),
    Setting(
        "preview",
        "flag",
        True,
        "whether lists of chunks show what is in each",
        "A preview is text where the chunk holds text, the symbol where its first word is an address of one, else "
        "its first words.",
    ),
    Setting(
        "types",
        "flag",
        True,
        "whether answers name the types of blocks",
        "Names come from debug information, which is read once for each file and kept on disk. When off, only `heap "
        "types` and `heap view` ask for it.",
    ),
    Setting(
        "aliases",
        "flag",
        False,
        "whether pwndbg's and GEF's names work, too",
        "When on: bins, arenas, fastbins, tcachebins, unsortedbin, smallbins, largebins, malloc_chunk, mp, leakfind, "
        "telescope, vis, vis_heap_chunks and xinfo, as far as no other plugin has them. They stay until gdb ends.",
    ),
    Setting(
        "auto-fault",
        "flag",
        False,
        "whether each fatal signal is explained at once",
        "When on, the program's stop by SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP or SIGSYS is followed by "
        "what `fault` says of it.",
    ),
)
