"""Threads that have ended and that nobody has joined: glibc keeps the stack of each, which it would give to the next
thread otherwise."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from gdbheap.errors import MemoryFault
from gdbheap.process.process import Process
from gdbheap.process.threads.thread_db import list_of, stack_lists
from gdbheap.process.threads.thread_pointers import find_thread_pointers, thread_id
from gdbheap.process.threads.thread_stacks import StackBlock

# tcbhead_t holds its own address in its first words; struct pthread has ended after so many bytes (to glibc 2.44).
_HEAD = 3
_SIZE = 0x900
_MOST_IN_LIST = 1 << 16


def unjoined(process: Process, ended: Iterable[StackBlock]) -> list[StackBlock]:
    """Return those of the blocks that threads have left which wait for pthread_join().

    To glibc 2.42 pthread_join() writes -1 as the id of a thread, and one that is detached is its own joinid: a
    pointer to its struct pthread itself. From 2.43 on neither is so, but the stacks that are kept for new threads
    are in a list of their own.
    """
    waiting = [
        each for each in ended if thread_id(process, each.control) == 0 and not _is_detached(process, each.control)
    ]
    lists = stack_lists(process) if waiting else None
    kept: Collection[int] = lists.kept if lists is not None else _kept_for_new_threads(process) if waiting else ()
    return [each for each in waiting if each.control not in kept]


def _is_detached(process: Process, control: int) -> bool:
    try:
        words = process.words.read_many(control, _SIZE // process.pointer_size)
    except MemoryFault:
        return True
    return control in list(words)[_HEAD:]


def _kept_for_new_threads(process: Process) -> frozenset[int]:
    """Return the struct pthreads in _dl_stack_cache, as glibc has it since 2.34: the head of that list comes right
    after the head of the one that the main thread alone is in, _dl_stack_user (struct rtld_global; before that
    libpthread has lists of its own)."""
    if any(module.path.rpartition("/")[2].startswith("libpthread") for module in process.modules):
        return frozenset()
    main = find_thread_pointers(process).get(process.threads[0].lwp) if process.threads else None
    if main is None:
        return frozenset()
    node = list_of(process, main)
    user = next(_followed(process, node), None)
    if user is None or list(_followed(process, user))[:1] != [node]:
        return frozenset()
    cache = user + 2 * process.pointer_size
    return frozenset(each - list_of(process, 0) for each in _followed(process, cache))


def _followed(process: Process, head: int) -> Iterator[int]:
    """Yield the nodes of a list, its head not among them, as far as it can be followed."""
    node = head
    for _ in range(_MOST_IN_LIST):
        try:
            node = process.words.read(node)
        except (MemoryFault, OverflowError):
            return
        if node == head:
            return
        yield node
