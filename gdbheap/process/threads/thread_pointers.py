"""Each thread's thread pointer: what the target tells, else found by the shape of the thread's control block.

gdb does not show gs_base for an i386 process, nor older ones tpidr for an aarch64 one. The dynamic linker's lists lead
to every thread's struct pthread, which holds the thread's id. On x86 it can be found without them: it starts at the
thread pointer, and (tcbhead_t) holds its own address twice, as `tcb` and as `self`.
"""

from __future__ import annotations

from gdbheap.errors import MemoryFault
from gdbheap.lazy import np
from gdbheap.process.address_space import VMA
from gdbheap.process.columns.word_windows import windows
from gdbheap.process.process import Process
from gdbheap.process.threads.thread_db import record_distance, stack_lists, vector_of

_MOST_BYTES = 1 << 30
_MOST_FOUND = 1 << 14
# No dtv has room for more modules.
_MOST_MODULES = 1 << 16


def find_thread_pointers(process: Process) -> dict[int, int]:
    """Return {lwp: thread pointer} for every thread for which it is known or can be found."""
    known = {each.lwp: each.thread_pointer for each in process.threads if each.thread_pointer}
    wanted = {each.lwp for each in process.threads} - set(known)
    if wanted:
        known.update(_find_listed(process, wanted))
    if wanted - set(known) and not process.machine.tls_above:
        known.update(_find_control_blocks(process, wanted - set(known)))
    return known


def has_control_block(process: Process, pointer: int) -> bool:
    """Whether a thread's control block is at its thread pointer, as all are from before libc's first instruction in
    the thread on: it begins with its own address (tcb), or where TLS lies above it, has the thread's dtv, before
    which is counted what there is room for."""
    words, pointer_size = process.words, process.pointer_size
    try:
        if not process.machine.tls_above:
            return words.read(pointer) == pointer
        first = vector_of(process, pointer)
        return first % pointer_size == 0 and 0 < words.read(first - 2 * pointer_size) <= _MOST_MODULES
    except (MemoryFault, OverflowError):
        return False


def thread_id(process: Process, control: int) -> int | None:
    """Return the thread's id out of its struct pthread, 0 where the thread has ended (the kernel clears it:
    CLONE_CHILD_CLEARTID), -1 where it was also joined (pthread_join() writes that; nptl's FREE_P() takes both for
    free); None where it cannot be read."""
    try:
        return int.from_bytes(process.memory.read(control + process.machine.thread_id, 4), "little", signed=True)
    except MemoryFault:
        return None


def _find_listed(process: Process, wanted: set[int]) -> dict[int, int]:
    """Return what the dynamic linker's lists tell of the wanted threads."""
    lists, distance = stack_lists(process), record_distance(process)
    if lists is None or distance is None:
        return {}
    pointers = {each: each + distance for each in (*lists.used, *lists.given)}
    by_lwp = {thread_id(process, control): pointer for control, pointer in pointers.items()}
    found = {lwp: by_lwp[lwp] for lwp in wanted if lwp in by_lwp}
    _match_by_stack(process, wanted - set(found), [each + distance for each in lists.used], found)
    return found


def _find_control_blocks(process: Process, wanted: set[int]) -> dict[int, int]:
    """Search the anonymous mappings, the small ones first, until every wanted lwp's block is found."""
    found: dict[int, int] = {}
    nameless: list[int] = []
    read = 0
    for vma in sorted((each for each in process.address_space if _may_hold_block(each)), key=lambda vma: vma.size):
        if not wanted - set(found) or read > _MOST_BYTES or len(nameless) > _MOST_FOUND:
            break
        read += vma.size
        for address in _self_pointing(process, vma):
            lwp = thread_id(process, address)
            if lwp in wanted:
                found.setdefault(lwp, address)
            else:
                nameless.append(address)
    _match_by_stack(process, wanted - set(found), nameless, found)
    return found


def _self_pointing(process: Process, vma: VMA) -> list[int]:
    """Return every address in the VMA whose word, and the word two further on, is that address."""
    pointer_size, found = process.pointer_size, []
    for start, words in windows(process, [(vma.start, vma.end)], 4 * pointer_size):
        addresses = np.uint64(start) + np.arange(len(words), dtype=np.uint64) * np.uint64(pointer_size)
        hits = (words[:-2] == addresses[:-2]) & (words[2:] == addresses[:-2])
        found += (np.flatnonzero(hits) * pointer_size + start).tolist()
    return list(dict.fromkeys(found))


def _match_by_stack(process: Process, wanted: set[int], blocks: list[int], found: dict[int, int]) -> None:
    """Where ids do not match (another pid namespace): a thread's block is in its stack's mapping, the first above
    its stack pointer."""
    for thread in process.threads:
        vma = process.address_space.find(thread.stack_pointer)
        if thread.lwp not in wanted or vma is None:
            continue
        above = [each for each in blocks if thread.stack_pointer < each < vma.end]
        if above:
            found[thread.lwp] = min(above)


def _may_hold_block(vma: VMA) -> bool:
    return (
        vma.readable and vma.writable and not vma.inode and (not vma.path or vma.path.startswith(("[anon:", "[heap")))
    )
