"""Memory that gdb failed to read when it made a core: zeros stand in its place, from there to the end of the mapping.

gdb copies a mapping by the MiB, and gives the rest of it up where one of them cannot be read (gcore_copy_callback() in
gcore.c). Before gdb 18 one guard page is enough, and since glibc 2.42 the stacks of threads have theirs inside the
mapping (MADV_GUARD_INSTALL, Linux 6.13). What shows it is that a thread's control block, which begins with its own
address, is zeros, or all that its stack pointer points to.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace

from gdbheap.elf.core_memory import CoreSegment
from gdbheap.elf.core_notes import Notes
from gdbheap.process.process import Thread

_STEP = 1 << 20
_LOOKED_AT = 512


def without_unread(core: int, segments: list[CoreSegment], notes: Notes, pointer_size: int) -> list[CoreSegment]:
    """Return the segments of an open core of gdb's, `present` only up to where gdb could read."""
    if not notes.by_gdb:
        return segments
    pointers = sorted({_telling(thread) for thread in notes.threads})
    return [_as_far_as_read(core, segment, pointers, pointer_size) for segment in segments]


def _telling(thread: Thread) -> tuple[int, bool]:
    """Return an address that is never zeros in a thread that lives, and whether it is its control block's."""
    return (thread.thread_pointer, True) if thread.thread_pointer else (thread.stack_pointer, False)


def _as_far_as_read(
    core: int, segment: CoreSegment, pointers: Iterable[tuple[int, bool]], pointer_size: int
) -> CoreSegment:
    end = segment.start + segment.present
    for pointer, is_control_block in pointers:
        if segment.start <= pointer < end:
            size = 3 * pointer_size if is_control_block else _LOOKED_AT
            at = pointer - segment.start
            if not any(os.pread(core, min(size, segment.present - at), segment.offset + at)):
                start = _zeros_from(core, segment)
                if start <= at:
                    return replace(segment, present=start)
    return segment


def _zeros_from(core: int, segment: CoreSegment) -> int:
    """Return from which MiB of the segment on there is nothing but zeros to its end, in bytes from its start."""
    at = -(-segment.present // _STEP) * _STEP
    while at and not any(os.pread(core, min(_STEP, segment.present - at + _STEP), segment.offset + at - _STEP)):
        at -= _STEP
    return at
