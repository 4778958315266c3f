"""The user's selection in gdb, kept while another thread is asked: gdb tells registers and frames of its selected thread only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import gdb


@contextmanager
def selection_kept() -> Iterator[gdb.InferiorThread | None]:
    """Give the selected thread (None: there is none); whatever the body selects, it and its frame are selected again after it.

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


def _frame() -> gdb.Frame | None:
    try:
        return gdb.selected_frame()
    except gdb.error:
        return None
