"""Inlined functions that gdb 17 and later stretch over the code that follows them: by debug information their code ends
before."""

from __future__ import annotations

import re

import gdb

from gdbheap.inside_gdb.process import debug_directories
from gdbheap.inside_gdb.text import text_of
from gdbheap.process.process import Process

_FIRST_RELEASE = 17
_MOST_INLINED = 64


def levels_too_many(process: Process, frame: gdb.Frame | None) -> int:
    """Return how many frames gdb shows, from this one outwards, of inlined functions whose code the frame's address is
    not in; 0 where nothing tells otherwise."""
    release = re.match(r"\d+", gdb.VERSION)
    if release is None or int(release[0]) < _FIRST_RELEASE or frame is None or frame.type() != gdb.INLINE_FRAME:
        return 0
    try:
        counter, shown = frame.pc(), _functions(frame)
    except gdb.error:
        return 0
    told = _told(process, counter)
    more = len(shown) - len(told)
    alike = told and all(name in by_gdb for name, by_gdb in zip(told, shown[more:]))
    return more if alike and more > 0 else 0


def _functions(frame: gdb.Frame) -> list[str]:
    """Return the names of the inlined functions from a frame outwards, and of that which they were inlined into."""
    found: list[str] = []
    here: gdb.Frame | None = frame
    while here is not None and len(found) < _MOST_INLINED:
        found.append(text_of(here.name) or "")
        here = here.older() if here.type() == gdb.INLINE_FRAME else None
    return found


def _told(process: Process, counter: int) -> tuple[str, ...]:
    from gdbheap.elf.code.inlined import inlined_at  # these bring pyelftools
    from gdbheap.elf.debug_search import DebugSearch, debuginfod_cache

    module = next(
        (each for each in process.modules if any(part.start <= counter < part.end for part in each.segments)), None
    )
    if module is None:
        return ()
    linked = (counter - module.load_base) & process.machine.mask
    return inlined_at(module, linked, DebugSearch(debug_directories(), debuginfod_cache()))
