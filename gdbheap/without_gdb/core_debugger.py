"""A core as a Debugger."""

from __future__ import annotations

from dataclasses import replace

from gdbheap.elf.core_file import open_core
from gdbheap.errors import HeapError
from gdbheap.machine.machines import KNOWN
from gdbheap.without_gdb.packed_core import unpacked
from gdbheap.without_gdb.reader import Files, Reader
from gdbheap.without_gdb.stops import StopKnowledge


def core_debugger(path: str, files: Files) -> Reader:
    """Return the Debugger on the core at `path`; HeapError where it is no core that can be read."""
    packed = unpacked(path)
    core = open_core(path if packed is None else packed.path, files.locate, files.fetch)
    if core.known is None:
        raise HeapError(f"this core is of another machine, {core.machine}: gdbheap reads {KNOWN}")
    process = core.process()
    if len(process.threads) > 1:
        # As gdb numbers them: the first is the one that died.
        numbered = (replace(each, number=number) for number, each in enumerate(process.threads, 1))
        process = replace(process, threads=tuple(numbered))
    remarks: tuple[str, ...] = ()
    if packed is not None:
        packed.file.close()  # (The core has opened it itself.)
        size = f"{packed.stored / (1 << 20):,.1f} MiB"
        note = (
            f"{path} is compressed ({packed.kind}): {size} of it lie unpacked in a temporary file, gone when this ends"
        )
        remarks = (note,)
    return Reader(process, StopKnowledge(core.signals, core.pid, remarks, core.vectors), files)
