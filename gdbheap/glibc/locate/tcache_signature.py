"""Which generation of tcache struct lies somewhere: the size of the chunk that holds it tells."""

from __future__ import annotations

from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import FLAG_MASK, IS_MMAPPED
from gdbheap.glibc.locate.builtin_structs import tcache_structs
from gdbheap.process.cstruct import CStruct
from gdbheap.process.process import Process


def tcache_struct_at(process: Process, mem: int) -> CStruct | None:
    """Return the generation of struct tcache_perthread_struct that a chunk of the right size at `mem` holds, or
    None."""
    pointer_size = process.pointer_size
    vma = process.address_space.find(mem)
    if vma is None or not vma.writable or mem % (2 * pointer_size):
        return None
    try:
        raw = process.words.read(mem - pointer_size)
    except MemoryFault:
        return None
    for struct in tcache_structs(pointer_size):
        # 64-bit malloc and i386's since 2.26, which is when tcaches came, align to 16. Where a free chunk was taken for
        # the struct (since 2.43 it is made late), what is too little to be split off stays with it.
        spare = (raw & ~FLAG_MASK) - ((struct.size + pointer_size + 15) & -16)
        if 0 <= spare < 4 * pointer_size and not raw & IS_MMAPPED and _is_sane(process, mem, struct):
            return struct
    return None


def _is_sane(process: Process, mem: int, struct: CStruct) -> bool:
    """Whether most heads are 0 or lie in writable memory, as a block of that size with other contents would hardly
    have it."""
    try:
        heads = struct.read(process.memory, mem).array("entries")
    except MemoryFault:
        return False
    good = sum(not head or _is_mem(process, head) for head in heads)
    return good >= len(heads) * 3 // 4


def _is_mem(process: Process, address: int) -> bool:
    vma = process.address_space.find(address)
    return vma is not None and vma.writable and address % (2 * process.pointer_size) == 0
