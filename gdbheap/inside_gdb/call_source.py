"""What the source tells of a call that has not returned: its line, and what an expression of it is in that frame."""

from __future__ import annotations

import gdb

from gdbheap.errors import HeapError
from gdbheap.inside_gdb.expressions import evaluate
from gdbheap.inside_gdb.selection import lwp_of, selection_kept, thread_of
from gdbheap.inside_gdb.text import text_of
from gdbheap.process.source_lines import source_lines

# A call's arguments may go on for so many lines.
_LINES = 4


def call_source(lwp: int | None, level: int) -> str:
    """Return the source line of a thread's frame, and some lines behind it; "" where it cannot be read."""
    with selection_kept():
        frame = _frame(lwp, level)
        place = frame.find_sal() if frame is not None else None
        if place is None or place.symtab is None or not place.line:
            return ""
        return "\n".join(source_lines(text_of(place.symtab.fullname), place.line, _LINES))


def evaluate_in_frame(lwp: int | None, level: int, expression: str) -> int | None:
    """Return an expression's value in a thread's frame, without calling or changing anything; None where it has none
    that is an address."""
    with selection_kept():
        frame = _frame(lwp, level)
        if frame is None:
            return None
        try:
            frame.select()
            return evaluate(expression)
        except (gdb.error, HeapError, RuntimeError):
            return None


def _frame(lwp: int | None, level: int) -> gdb.Frame | None:
    """Return a frame of a thread (None: the selected one), which is selected for it."""
    selected = gdb.selected_thread()
    if selected is None:
        return None
    try:
        if lwp is not None and lwp != lwp_of(selected):
            thread = thread_of(lwp)
            if thread is None:
                return None
            thread.switch()
        frame: gdb.Frame | None = gdb.newest_frame()
        while frame is not None and level:
            frame, level = frame.older(), level - 1
    except gdb.error:
        return None
    return frame
