"""A core as a Debugger."""

from __future__ import annotations

from dataclasses import replace

from gdbheap.elf.core_file import open_core
from gdbheap.errors import HeapError
from gdbheap.machine.machines import KNOWN
from gdbheap.without_gdb.reader import Files, Reader
from gdbheap.without_gdb.stops import Told


def core_debugger(path: str, files: Files) -> Reader:
    """Return the Debugger on the core at `path`; HeapError where it is no core that can be read."""
    core = open_core(path, files.locate)
    if core.known is None:
        raise HeapError(f"this core is of another machine, {core.machine}: gdbheap reads {KNOWN}")
    process = core.process()
    if len(process.threads) > 1:
        # As gdb numbers them: the first is the one that died.
        numbered = (replace(each, number=number) for number, each in enumerate(process.threads, 1))
        process = replace(process, threads=tuple(numbered))
    return Reader(process, Told(core.signals, core.pid), files)
