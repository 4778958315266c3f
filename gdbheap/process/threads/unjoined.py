"""Threads that have ended and that nobody has joined: glibc keeps the stack of each, which it would give to the next thread otherwise."""

from __future__ import annotations

from collections.abc import Iterable

from gdbheap.errors import MemoryFault
from gdbheap.process.process import Process
from gdbheap.process.threads.thread_pointers import thread_id
from gdbheap.process.threads.thread_stacks import StackBlock

# tcbhead_t holds its own address in its first words; struct pthread has ended after so many bytes (to glibc 2.44).
_HEAD = 3
_SIZE = 0x900


def unjoined(process: Process, ended: Iterable[StackBlock]) -> list[StackBlock]:
    """Return those of the blocks that threads have left which wait for pthread_join().

    pthread_join() writes -1 as the id of a thread. One that is detached is its own joinid: a pointer to its struct pthread itself.
    """
    return [each for each in ended if thread_id(process, each.control) == 0 and not _is_detached(process, each.control)]


def _is_detached(process: Process, control: int) -> bool:
    try:
        words = process.words.read_many(control, _SIZE // process.pointer_size)
    except MemoryFault:
        return True
    return control in list(words)[_HEAD:]
