"""Every thread's tcache and arena, from its TLS. No call in the inferior, no libthread_db, and not only the selected
thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from gdbheap.errors import MemoryFault
from gdbheap.glibc.layout import SIGNATURE, SYMBOL, Located, ThreadMalloc
from gdbheap.glibc.locate.find_libc import Libc, holds
from gdbheap.glibc.locate.tcache_signature import tcache_struct_at
from gdbheap.glibc.locate.thread_tls import ThreadBlock, find_block, tls_place
from gdbheap.lazy import dataclass
from gdbheap.process.address import Address
from gdbheap.process.clause import clause
from gdbheap.process.fact import Fact, Joined
from gdbheap.process.memory import WORD_FORMATS, readable_pieces
from gdbheap.process.process import Process
from gdbheap.process.threads.thread_pointers import has_control_block

# From thread_arena down to tcache, in words: glibc to 2.42 and since 2.43, as the linker has laid libc's TLS out in the
# builds looked at.
_USUAL_DISTANCE = {True: 2, False: 6}


@dataclass(frozen=True)
class MallocShape:
    """What is known of a malloc before its threads are looked at: where its `arenas` are, and whether it has fastbins
    and tcaches."""

    arenas: frozenset[int]
    fastbins: bool
    tcaches: bool


@dataclass(frozen=True)
class Slot:
    """Where a thread-local variable is: `offset` bytes from the block's start where blocks are exact, else from the
    thread pointer."""

    offset: int
    source: str


@dataclass(frozen=True)
class _Answer:
    """A variable's value, or why there is none; `is_known` False where there may well be one. `wild`: where it
    surely is, and what it holds that it cannot."""

    located: Located | None
    reason: Fact | None = None
    is_known: bool = True
    wild: tuple[int, int] | None = None


_UNREADABLE = _Answer(None, clause("tls_unreadable"), False)


def read_threads(
    process: Process, libc: Libc, malloc: MallocShape, pointers: Mapping[int, int]
) -> tuple[ThreadMalloc, ...]:
    """Return what each thread keeps for malloc. `pointers` are each lwp's thread pointer."""
    place = tls_place(process, libc)
    blocks = {
        thread.number: find_block(process, thread, pointers[thread.lwp], place)
        for thread in process.threads
        if thread.lwp in pointers and has_control_block(process, pointers[thread.lwp])
    }
    slots = _find_slots(process, libc, [each for each in blocks.values() if each is not None], malloc)
    found = []
    for thread in process.threads:
        block = blocks.get(thread.number)
        if block is None:
            where = _why_not(process, pointers.get(thread.lwp))
            found.append(ThreadMalloc(thread.number, thread.lwp, None, None, where, is_known=False))
            continue
        tcache = (
            _read_tcache(process, libc, block, slots.get("tcache"))
            if malloc.tcaches
            else _Answer(None, clause("malloc_without_tcaches"))
        )
        arena = _read_arena(process, block, slots.get("thread_arena"), malloc.arenas)
        reason = _joined(tcache.reason, arena.reason)
        is_known = tcache.is_known and arena.is_known
        found.append(
            ThreadMalloc(thread.number, thread.lwp, tcache.located, arena.located, reason, is_known, tcache.wild)
        )
    return tuple(found)


def _joined(*reasons: Fact | None) -> Fact | None:
    found = tuple(dict.fromkeys(each for each in reasons if each is not None))
    return Joined(found) if len(found) > 1 else found[0] if found else None


def _why_not(process: Process, pointer: int | None) -> Fact:
    if pointer is None:
        return clause("thread_pointer_unknown")
    if not has_control_block(process, pointer):
        return clause("control_block_lost", address=Address(pointer))
    return clause("tls_not_made_yet")


def _read_arena(process: Process, block: ThreadBlock, slot: Slot | None, arenas: frozenset[int]) -> _Answer:
    """Return the arena that the thread uses."""
    if slot is None:
        return _Answer(None, clause("not_found_in_tls", variable="thread_arena"), False)
    value = _read_slot(process, block, slot)
    if value is None:
        return _UNREADABLE
    if value in arenas:
        return _Answer(Located(value, slot.source))
    if value:
        return _Answer(None, clause("thread_arena_is_no_arena", held=Address(value)), False)
    return _Answer(None, clause("no_arena_yet"))


def _read_tcache(process: Process, libc: Libc, block: ThreadBlock, slot: Slot | None) -> _Answer:
    """Return the thread's tcache."""
    if slot is None:
        return _Answer(None, clause("not_found_in_tls", variable="tcache"), False)
    value = _read_slot(process, block, slot)
    if value is None:
        return _UNREADABLE
    if value == 0:
        return _Answer(None, clause("no_tcache"))
    if holds(process, libc, value):
        # Since 2.43 an unused tcache is a read-only dummy of libc's, or the word after its start where tcaches are
        # switched off.
        dummy = libc.address("__tcache_dummy")
        if dummy is None:
            return _Answer(None, clause("no_tcache"))
        return _Answer(None, clause("no_tcache_yet") if value == dummy else clause("no_tcache_any_more"))
    vma = process.address_space.find(value)
    if vma is None or not vma.writable or value % (2 * process.pointer_size):
        wild = (_place(block, slot), value) if slot.source == SYMBOL else None
        return _Answer(None, clause("no_tcache_can_be_there", held=Address(value)), False, wild)
    return _Answer(Located(value, slot.source))


def _read_slot(process: Process, block: ThreadBlock, slot: Slot | None) -> int | None:
    if slot is None:
        return None
    try:
        return process.words.read(_place(block, slot))
    except (MemoryFault, OverflowError):
        return None


def _place(block: ThreadBlock, slot: Slot) -> int:
    return (block.start if block.exact else block.thread_pointer) + slot.offset


def _find_slots(process: Process, libc: Libc, blocks: list[ThreadBlock], malloc: MallocShape) -> dict[str, Slot]:
    """Return the slots of "tcache" and "thread_arena", as far as symbols or what lies in the threads' blocks tell
    them."""
    symbols = libc.symbols.symbols
    offsets = {
        name: symbols[name].value for name in ("tcache", "thread_arena") if name in symbols and symbols[name].tls
    }
    if "thread_arena" in offsets and all(each.exact for each in blocks):
        return {name: Slot(offset, SYMBOL) for name, offset in offsets.items()}
    words = [_words(process, each) for each in blocks]
    hits = _hits(words, lambda value: value in malloc.arenas)
    if not hits:
        return {}
    # Of several the nearest to the thread pointer: beyond are stale copies on the stack, where that is looked at.
    arena = max(hits, key=lambda offset: (hits[offset], -abs(offset) if _is_from_pointer(blocks) else offset))
    slots = {"thread_arena": Slot(arena, SIGNATURE)}
    distance = _USUAL_DISTANCE[malloc.fastbins] * process.pointer_size
    if len(offsets) == 2:
        distance = offsets["thread_arena"] - offsets["tcache"]
    tcache = _find_tcache_slot(process, libc, words, arena - distance, malloc.fastbins)
    if tcache is not None:
        slots["tcache"] = Slot(tcache, SIGNATURE)
    return slots


def _is_from_pointer(blocks: list[ThreadBlock]) -> bool:
    return not all(each.exact for each in blocks)


def _find_tcache_slot(
    process: Process, libc: Libc, words: list[dict[int, int]], usual: int, fastbins: bool
) -> int | None:
    """Return the offset of `tcache`: where most tcaches are; or the `usual` one if no thread has a tcache, and says
    so there."""
    hits = _hits(words, lambda value: tcache_struct_at(process, value) is not None)
    if hits:
        return max(hits, key=lambda offset: (hits[offset], offset == usual, offset))
    if libc.static:
        # The program's own thread-local variables lie among libc's: there is no usual offset.
        return None
    values = [each.get(usual) for each in words]
    unused = all(value == 0 if fastbins else value is not None and holds(process, libc, value) for value in values)
    return usual if unused else None


def _hits(words: list[dict[int, int]], fits: Callable[[int], bool]) -> Counter[int]:
    """Return for each offset in how many threads a fitting value is there."""
    counts: Counter[int] = Counter()
    for each in words:
        counts.update(offset for offset, value in each.items() if value and fits(value))
    return counts


def _words(process: Process, block: ThreadBlock) -> dict[int, int]:
    """Return the words of a block by their offset, counted as in Slot; what cannot be read is left out."""
    origin = block.start if block.exact else block.thread_pointer
    found: dict[int, int] = {}
    start = -(-block.start // process.pointer_size) * process.pointer_size
    for address, piece in readable_pieces(process.memory, start, block.end):
        size = len(piece) - len(piece) % process.pointer_size
        words = piece[:size].cast(WORD_FORMATS[process.pointer_size])
        found.update({address - origin + index * process.pointer_size: value for index, value in enumerate(words)})
    return found
