"""The blocks that libc itself allocates for each thread: its dtv, the vector of pointers to its thread-local storage.

Its control block (tcbhead_t at the thread pointer) holds, in a row: its own address (tcb), the dtv, its own address
(self). The dtv pointer leads one element into the block (nptl's allocate_dtv): the element before counts the slots,
at least DTV_SURPLUS, 14. Of a thread that has ended, libc keeps both with the stack, for the next thread. (glibc
2.23 to 2.43: sysdeps/x86_64/nptl/tls.h, sysdeps/i386/nptl/tls.h, elf/dl-tls.c)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.graph import Pointers
from gdbheap.errors import MemoryFault
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.process.memory import Memory

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FEWEST_SLOTS = 14
_MOST_SLOTS = 1 << 16
# So many words are looked at that could be a control block's: each is a read of its own.
_MOST_READ = 1 << 14


def find_thread_vectors(
    memory: Memory, head: NDArray[np.uint64], from_roots: Pointers, pointer_size: int
) -> NDArray[np.int32]:
    """Return the rows of the blocks that are a thread's dtv; `head` has the first words of every block."""
    inside = np.flatnonzero(from_roots.offset == 2 * pointer_size)
    slots = head[from_roots.target[inside], 0]
    inside = inside[(slots >= _FEWEST_SLOTS) & (slots < _MOST_SLOTS)][:_MOST_READ]
    found = [
        int(from_roots.target[row])
        for row in inside.tolist()
        if _in_control_block(memory, int(from_roots.place[row]), pointer_size)
    ]
    return distinct(np.array(found, np.int32))


def _in_control_block(memory: Memory, place: int, pointer_size: int) -> bool:
    try:
        data = memory.read(place - pointer_size, 3 * pointer_size)
    except MemoryFault:
        return False
    return all(
        int.from_bytes(data[at : at + pointer_size], "little") == place - pointer_size for at in (0, 2 * pointer_size)
    )
