"""What no struct member tells, told by real data: safe-linking, the tcache key, the mmapped header, the size of
heaps."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import FLAG_MASK, IS_MMAPPED
from gdbheap.process.address_space import VMA
from gdbheap.process.cstruct import CStruct
from gdbheap.process.process import Process

# Enough to tell.
MAX_LISTS = 512
MAX_VMAS = 4_096


def list_heads(process: Process, struct: CStruct, member: str, addresses: Iterable[int]) -> Iterator[int]:
    """Yield the non-zero heads in an array member (entries, fastbinsY) of each struct; unreadable ones have none."""
    for address in addresses:
        try:
            value = struct.read(process.memory, address)
        except MemoryFault:
            continue
        yield from (head for head in value.array(member) if head)


def probe_safe_linking(process: Process, links: Iterable[int]) -> bool | None:
    """Return whether links are mangled, from the first node of each list; None where no list tells, or they disagree.

    `links` are the addresses of the first nodes' `next` or `fd` fields. A plain link is 0 or another such address; a
    mangled one is that after XOR with the address >> 12, which is never 0, so that one link cannot well be both.
    """
    votes: Counter[bool] = Counter()
    for at in itertools.islice(links, MAX_LISTS):
        try:
            stored = process.words.read(at)
        except MemoryFault:
            continue
        plain = _may_link(process, at, stored)
        mangled = _may_link(process, at, stored ^ at >> 12)
        if plain != mangled:
            votes[mangled] += 1
    (best, count), (_, other) = (*votes.most_common(2), (False, 0), (False, 0))[:2]
    return best if count > 2 * other else None


def _may_link(process: Process, at: int, target: int) -> bool:
    if target == 0:
        return True
    # Fastbin links are chunk addresses, two words before mem: 8 off alignment in a 32-bit process.
    vma = process.address_space.find(target)
    return target % (2 * process.pointer_size) == 0 and vma is not None and vma.writable and target != at


def probe_tcache_key(process: Process, tcaches: Sequence[int], heads: Iterable[int]) -> int | None:
    """Return the random key (2.34+) that free tcache chunks carry in their second word, if all the lists' heads agree
    on one.

    None as well where the key is the owner's tcache address (2.29 to 2.33) or there is none.
    """
    keys: Counter[int] = Counter()
    for head in itertools.islice(heads, MAX_LISTS):
        try:
            keys[process.words.read(head + process.pointer_size)] += 1
        except MemoryFault:
            continue
    key, count = next(iter(keys.most_common(1)), (0, 0))
    return key if count >= 2 and count == sum(keys.values()) and key and key not in tcaches else None


def probe_mmapped_overhead(process: Process, alignment: int) -> int | None:
    """Return what the size of mmapped chunks leaves out of their mappings, from headers at the start of anonymous
    mappings.

    Whole pages only add up one way: prev_size + size (to 2.42), or that and two words (2.43). None where no mapping
    tells.
    """
    votes: Counter[int] = Counter()
    pointer_size = process.pointer_size
    for vma in itertools.islice((each for each in process.address_space if _is_anonymous(each)), MAX_VMAS):
        # The first chunk of a mapping starts where its mem is aligned.
        at = -(-(vma.start + 2 * pointer_size) // alignment) * alignment - 2 * pointer_size
        try:
            prev_size, raw = process.words.read_many(at, 2)
        except MemoryFault:
            continue
        if raw & FLAG_MASK != IS_MMAPPED or prev_size & ~1 != at - vma.start:
            continue
        length = (prev_size & ~1) + (raw & ~FLAG_MASK)
        for overhead in (0, 2 * pointer_size):
            if (length + overhead) % process.page_size == 0 and 0 < length + overhead <= vma.size:
                votes[overhead] += 1
    (best, count), (_, other) = (*votes.most_common(2), (0, 0), (0, 0))[:2]
    return best if count > other else None


def _is_anonymous(vma: VMA) -> bool:
    return not vma.inode and vma.readable and vma.writable and (not vma.path or vma.path.startswith("[anon:"))


def probe_heap_max(process: Process, heap_info: CStruct, arenas: Iterable[int], hp_pagesize: int) -> tuple[int, bool]:
    """Return HEAP_MAX_SIZE, and whether the arenas that are not main_arena (`arenas`) show it.

    2.35 to 2.41 made it four huge pages where malloc was told to use them; that is tried first, and the arenas decide.
    """
    usual = process.machine.malloc.heap_max
    arenas = list(arenas)
    unusual = 4 * hp_pagesize
    sizes = [usual]
    if unusual & (unusual - 1) == 0 and 1 << 20 <= unusual <= 1 << 40:
        sizes.insert(0, unusual)
    for size in sizes:
        if arenas and all(_heap_points_to(process, heap_info, arena, size) for arena in arenas):
            return size, True
    return usual, False


def _heap_points_to(process: Process, heap_info: CStruct, arena: int, heap_max: int) -> bool:
    """Whether the heap that would hold the arena names it as its own."""
    try:
        return process.words.read((arena & -heap_max) + heap_info.offset("ar_ptr")) == arena
    except MemoryFault:
        return False
