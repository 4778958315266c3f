"""Places on stacks as gdb names them: frames and local variables."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

import gdb

from gdbheap.inside_gdb.references import REFERENCES
from gdbheap.inside_gdb.selection import select, selection_kept
from gdbheap.inside_gdb.text import output_of, text_of
from gdbheap.process.named_address import StackPlace

# Further up a stack, places are told by their distance from the stack pointer alone.
_MOST_FRAMES = 512


def stack_place(thread: int, address: int) -> StackPlace | None:
    """Return what lies at an address of the stack of gdb's thread of that number; None where gdb cannot unwind it.

    The user's thread and frame are put back.
    """
    wanted = next((each for each in gdb.selected_inferior().threads() if each.num == thread), None)
    with selection_kept() as selected:
        if wanted is None or selected is None:
            return None
        try:
            if wanted.num != selected.num:
                select(wanted)
            return _place(address)
        except gdb.error:
            return None


def _place(address: int) -> StackPlace:
    newest = gdb.newest_frame()
    bottom = _stack_pointer(newest)
    # The frames that the address may be in, and their levels: functions that were inlined share the one of their
    # caller, and what is handed over to a function lies at the end of its caller's.
    holding = [(newest, 0)]
    pointer = bottom
    frame: gdb.Frame | None = newest
    for level in range(_MOST_FRAMES):
        if frame is None or _stack_pointer(frame) > address:
            break
        if _stack_pointer(frame) != pointer:
            pointer = _stack_pointer(frame)
            holding = holding[-1:]
        holding.append((frame, level))
        frame = frame.older()
    else:
        return StackPlace(address - bottom)
    for each, level in holding:
        local = next(_variables_at(each, address), None)
        if local is not None:
            return StackPlace(address - bottom, level, text_of(each.name) or "", *local)
    # gdb tells in words alone where the outermost frame that it shows ends: what started the program or the thread lies
    # above it.
    outermost, level = holding[-1]
    above = frame is None and address >= _frame_end(outermost)
    return StackPlace(address - bottom, level, text_of(outermost.name) or "", is_above=above)


def _frame_end(frame: gdb.Frame) -> int:
    """Return where a frame ends (its caller's stack pointer), 0 where gdb does not know; selects the frame."""
    frame.select()
    match = re.search(r"\bframe at (0x[0-9a-f]+)", output_of("info frame"))
    return int(match[1], 16) if match else 0


def _stack_pointer(frame: gdb.Frame) -> int:
    return int(frame.read_register("sp")) & ((1 << 64) - 1)


def _variables_at(frame: gdb.Frame, address: int) -> Iterator[tuple[str, int]]:
    """Yield the frame's variable that the address is in and the offset in it, if gdb knows one."""
    try:
        block: gdb.Block | None = frame.block()
    except (gdb.error, RuntimeError):
        return
    while block is not None:
        for symbol in block:
            if symbol.is_variable or symbol.is_argument:
                try:
                    value = symbol.value(frame)
                    if value.type.strip_typedefs().code in REFERENCES:
                        continue  # gdb tells where what it refers to is, not where it is itself
                    start = int(value.address) if value.address is not None else None
                except gdb.error:
                    continue
                if start is not None and start <= address < start + value.type.sizeof:
                    yield text_of(functools.partial(getattr, symbol, "name")) or "?", address - start
        if block.function:
            return
        block = block.superblock
