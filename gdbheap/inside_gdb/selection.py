"""The user's selection in gdb, kept while another thread is asked: gdb tells registers and frames of its selected
thread only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import gdb

from gdbheap.inside_gdb.text import output_of


@contextmanager
def selection_kept() -> Iterator[gdb.InferiorThread | None]:
    """Give the selected thread (None: there is none); whatever the body selects, it and its frame are selected again
    after it.

    Where the body switches to no other thread, nothing is selected anew, and no observer hears of it.
    """
    thread, frame = gdb.selected_thread(), _frame()
    try:
        yield thread
    finally:
        if thread is not None:
            if gdb.selected_thread() != thread:
                thread.switch()
            if frame is not None and frame.is_valid() and _frame() != frame:
                frame.select()


def select(thread: gdb.InferiorThread) -> None:
    """Select the thread, and have its registers read here, without a word: gdb reads them once for each, and of a
    core's may complain ("Unexpected size of section `.reg-xstate'": an older gdb on a newer processor)."""
    thread.switch()
    with suppress(gdb.error):  # it runs
        output_of("output $pc")


def lwp_of(thread: gdb.InferiorThread) -> int:
    """Return the number that tells the thread from the process's others: a remote or core thread may have only one of
    the three of its ptid. The first one is the process's, which is the main thread's, too."""
    pid, lwp, tid = thread.ptid
    return int(lwp or tid or pid)


def thread_of(lwp: int) -> gdb.InferiorThread | None:
    """Return the process's thread of this number, None where gdb has none."""
    return next((each for each in gdb.selected_inferior().threads() if lwp_of(each) == lwp), None)


def _frame() -> gdb.Frame | None:
    try:
        return gdb.selected_frame()
    except gdb.error:
        return None
