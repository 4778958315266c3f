"""The code of a function, as gdb disassembles it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import gdb

from gdbheap.process.images.function_bounds import function_bounds
from gdbheap.process.process import Process

_LONGEST = 1 << 15
_FLAVOR = "disassembly-flavor"


def code_at(process: Process, address: int) -> tuple[tuple[int, str], ...]:
    """Return (address, text in AT&T's syntax) of each instruction of the function that the address lies in; () where
    its bounds are not known, or are too far apart. The user's choice of syntax is put back."""
    bounds = function_bounds(process, address) or _by_debug_info(address)
    if bounds is None or bounds[1] - bounds[0] > _LONGEST:
        return ()
    with _in_att_syntax():
        try:
            lines = gdb.selected_frame().architecture().disassemble(bounds[0], bounds[1] - 1)
        except gdb.error:
            return ()
    return tuple((line["addr"], line["asm"].strip()) for line in lines)


@contextmanager
def _in_att_syntax() -> Iterator[None]:
    try:
        flavor = gdb.parameter(_FLAVOR)
    except RuntimeError:  # a gdb that knows no x86 has no such choice
        yield
        return
    gdb.execute(f"set {_FLAVOR} att", to_string=True)
    try:
        yield
    finally:
        gdb.execute(f"set {_FLAVOR} {flavor}", to_string=True)


def _by_debug_info(address: int) -> tuple[int, int] | None:
    try:
        block: gdb.Block | None = gdb.block_for_pc(address)
    except (gdb.error, RuntimeError):
        return None
    while block is not None and block.function is None:
        block = block.superblock
    return None if block is None else (block.start, block.end)
