"""The call stacks of a stopped process as gdb unwinds them, made into values."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from dataclasses import replace

import gdb

from gdbheap.errors import HeapError
from gdbheap.inside_gdb.expressions import address_of, symbol_at
from gdbheap.inside_gdb.selection import lwp_of, select, selection_kept, thread_of
from gdbheap.inside_gdb.text import text_of
from gdbheap.machine.machine import Machine
from gdbheap.process.frame import Frame
from gdbheap.process.process import Process


def frames(lwp: int | None, process: Process, most: int) -> tuple[Frame, ...]:
    """Return the innermost `most` frames of a thread (None: the selected one); () where gdb cannot unwind it.

    gdb unwinds its selected thread only, so another is selected for the while, and the user's thread and frame are
    put back.
    """
    with selection_kept() as selected:
        if selected is None:
            return ()
        if lwp is not None and lwp != lwp_of(selected):
            thread = thread_of(lwp)
            if thread is None:
                return ()
            select(thread)
        found = tuple(_unwind(process.machine, most))
    return _with_libcs_name(process, found)


def frame_at(address: int, process: Process) -> Frame:
    """Return what is known of the function that an address lies in, as a frame without a stack."""
    symbol = symbol_at(address)
    name = "" if symbol is None else symbol.name
    return _with_libcs_name(process, (Frame(0, address, 0, name, _library(address)),))[0]


def _with_libcs_name(process: Process, found: tuple[Frame, ...]) -> tuple[Frame, ...]:
    from gdbheap.glibc.locate.find_libc import renamed_libcs  # kept out of gdb's start

    renamed = {os.path.basename(each.path) for each in renamed_libcs(process)}
    return tuple(replace(each, library="libc.so.6") if each.library in renamed else each for each in found)


def _library(address: int) -> str:
    return os.path.basename(text_of(lambda: gdb.solib_name(address)) or "")


def _unwind(machine: Machine, most: int) -> Iterator[Frame]:
    try:
        frame: gdb.Frame | None = gdb.newest_frame()
        for level in range(most):
            if frame is None:
                return
            older = frame.older()
            yield _frame(frame, level, machine, older is None and _is_outermost(frame))
            frame = older
    except gdb.error:
        return  # the rest of the stack cannot be unwound: what there is will do


def _is_outermost(frame: gdb.Frame) -> bool:
    """Whether the stack begins here (the frame's unwind information says so, or gdb's habit of ending in main), and
    gdb did not just get lost."""
    return frame.unwind_stop_reason() == gdb.FRAME_UNWIND_OUTERMOST or text_of(frame.name) == "main"


def _frame(frame: gdb.Frame, level: int, machine: Machine, is_outermost: bool) -> Frame:
    # Where the frame is and what it runs are no values that its function works on.
    places = (machine.stack_pointer, machine.program_counter)
    names = [name for name in machine.general if name not in places]
    registers = {name: value for name in names if (value := _register(frame, name, machine)) is not None}
    line = frame.find_sal()
    symtab = line.symtab
    place = f"{text_of(lambda: symtab.filename)}:{line.line}" if symtab is not None and line.line else ""
    arguments = {name: (value, is_pointer) for name, value, is_pointer in _arguments(frame)}
    return Frame(
        level,
        frame.pc(),
        _register(frame, machine.stack_pointer, machine) or 0,
        text_of(frame.name) or "",
        _library(frame.pc()),
        {name: value for name, (value, _) in arguments.items()},
        registers,
        place,
        frame.type() == gdb.SIGTRAMP_FRAME,
        is_outermost,
        pointers=frozenset(name for name, (_, is_pointer) in arguments.items() if is_pointer),
    )


def _register(frame: gdb.Frame, name: str, machine: Machine) -> int | None:
    try:
        return int(frame.read_register(name)) & machine.mask
    except (gdb.error, ValueError):
        return None  # not saved anywhere


def _arguments(frame: gdb.Frame) -> Iterator[tuple[str, int, bool]]:
    """Yield the arguments that are words and not optimised out, where there is debug info, and whether each is a
    pointer by its type."""
    try:
        block: gdb.Block | None = frame.block()
        while block is not None and block.function is None:
            block = block.superblock
    except RuntimeError:
        return
    for symbol in block or ():
        if not symbol.is_argument:
            continue
        try:
            name = text_of(functools.partial(getattr, symbol, "name"))
            value = symbol.value(frame)
            yield name, address_of(value, name), value.type.strip_typedefs().code == gdb.TYPE_CODE_PTR
        except (gdb.error, HeapError):
            continue
