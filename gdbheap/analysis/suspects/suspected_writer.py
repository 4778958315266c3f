"""Who probably broke a field: the block below that was overrun, a write through a dangling pointer, a free of what
must not be freed."""

from __future__ import annotations

from dataclasses import replace

from gdbheap.analysis.facts.control import InNamedMapping
from gdbheap.analysis.facts.places import InChunk, Nowhere
from gdbheap.analysis.facts.writers import (
    FreedTwice,
    FreedWrongly,
    LinkOverwritten,
    ListLeftLinks,
    LostFromList,
    MayWriteItself,
    MovedToTcache,
    NoBlocks,
    NobodyBelow,
    OnlyCountedOnce,
    OnlyHolds,
    OverHead,
    OverOldTop,
    PastFreeBlock,
    SecondFree,
    StackGrewDown,
    TcacheBinsGrew,
    WrittenAddress,
    WrittenAfterFree,
    WrittenBelow,
    WrittenFill,
    WrittenPast,
    WrittenText,
)
from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.invariants.finding import Finding
from gdbheap.analysis.invariants.followed import Followed, bins_behind_the_tcache
from gdbheap.analysis.invariants.listed_wrongly import Listed
from gdbheap.analysis.suspects.run_over import below_start, run_across, stack_from_above
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import MMAPPED_ARENA, Chunk, State
from gdbheap.glibc.invariant import Invariant
from gdbheap.lazy import dataclass
from gdbheap.process.fact import Fact

LINKS = frozenset(("next", "fd", "bk", "fd_nextsize", "bk_nextsize", "key"))
_SHORTEST_TEXT = 4
# An overrun by fewer bytes is nothing else: a block's last string or item, one too long.
_MANY_BYTES = 4
# So many return addresses of a stack are told.
MOST_RETURNS = 3


@dataclass(frozen=True)
class SuspectedWriter:
    """`kind`: "overrun" (of the block `chunk` below), "underrun" (a write below the start of `chunk` itself), "stack"
    (that grew down over it), "dangling" (a write into the freed `chunk`), "double_free" or "invalid_free" (of
    `chunk`), or "unknown".

    `overrun` is by how many bytes at least (0: not an overrun); `bytes` what was written (None: nothing that looks like
    anything); `fact` says all of it (None: nothing is known). `is_run`: what was written is one text, or one byte or
    word over and over, on both sides of the block's end: nobody else has written that.
    """

    kind: str
    chunk: int | None = None
    overrun: int = 0
    bytes: Fact | None = None
    fact: Fact | None = None
    is_run: bool = False


def _unknown(holds: Fact | None, fact: Fact | None, chunk: int | None = None) -> SuspectedWriter:
    return SuspectedWriter("unknown", chunk, 0, holds, fact)


def probable_writer(heap: CheckedHeap, found: Finding) -> SuspectedWriter:
    """Return who most probably broke the field, judged by what lies below it and by what it holds now."""
    if found.invariant is Invariant.LISTED_ONCE:
        return SuspectedWriter("double_free", found.address, fact=SecondFree())
    held = _what_it_holds(heap, found)
    if found.listed is not None:
        return _by_free(heap, found.listed, held)
    if found.followed is not None:
        return _before_it_was_followed(heap, found, found.followed, held)
    bins = bins_behind_the_tcache(heap, found.where)
    if bins:
        return _unknown(held, TcacheBinsGrew(bins, held))
    if found.field == "n_mmaps" and (found.held or 0) > (found.must.value or 0):
        return _unknown(held, OnlyCountedOnce(held))
    if found.field in LINKS:
        return _dangling(heap, found, held)
    if found.invariant in (Invariant.TCACHE_LINK, Invariant.FASTBIN_LINK):
        return _unknown(held, OverHead(held))
    if heap.table.row_of(found.address) is None and heap.view.chunk_at(found.where) is None:
        return _unknown(held, held and NoBlocks(held))
    known = _of_header(heap, found, held) if found.field in ("size", "prev_size") else None
    return known or _unknown(held, held and NobodyBelow(held))


def _of_header(heap: CheckedHeap, found: Finding, held: Fact | None) -> SuspectedWriter | None:
    """Return who wrote over a chunk's header; None where nothing tells."""
    from_above = _from_above(heap, found, held)
    if from_above is not None:
        return from_above
    below = _block_below(heap, found.where)
    if below is not None and below.state in (State.IN_USE, State.UNKNOWN):
        return _overrun(heap, found, below, held)
    if below is not None and below.state.is_free:
        past = PastFreeBlock(below.address + heap.layout.header, below.size, held)
        return SuspectedWriter("dangling", below.address, 0, held, past)
    before = _run_over_stretch(heap, found) if below is None else None
    return None if before is None else _overrun(heap, found, before, held)


def _run_over_stretch(heap: CheckedHeap, found: Finding) -> Chunk | None:
    """Return the block in use below a stretch of broken headers that ends at the field, where what runs over that
    block's end runs over the field, too."""
    header = found.where - (found.where + heap.layout.header) % heap.layout.alignment
    stretch = heap.gap_at(header - 1) if header else None
    row = None if stretch is None else heap.table.row_at(stretch.address - 1)
    below = None if row is None or heap.table.state[row] != State.IN_USE else heap.table[row]
    if below is None or below.arena == MMAPPED_ARENA:
        return None
    end = below.address + below.size + heap.layout.pointer_size
    run = run_across(heap, below.address + heap.layout.header, end)
    reaches = run is not None and end + run.length >= found.where + _changed_bytes(heap, found)
    return below if reaches else None


def _by_free(heap: CheckedHeap, listed: Listed, held: Fact | None) -> SuspectedWriter:
    """No write broke the list: free was given what it must not be given."""
    mem, around = listed.mem, listed.around
    vma = heap.process.address_space.find(mem)
    place: Fact = Nowhere() if vma is None else InNamedMapping(vma.path)
    if around is not None:
        place = InChunk(around.state.label, around.address, around.size, "")
    chunk = mem - heap.layout.header
    if listed.kind == "left":
        return _unknown(held, ListLeftLinks(mem, place))
    if listed.kind == "moved":
        return _unknown(held, MovedToTcache(mem, place))
    fact: Fact = FreedWrongly(mem, place)
    if listed.kind != "invalid_free":
        fact = FreedTwice(mem, place if around is not None and around.address != chunk else None)
    return SuspectedWriter(listed.kind, chunk, 0, held, fact)


def _before_it_was_followed(
    heap: CheckedHeap, found: Finding, followed: Followed, held: Fact | None
) -> SuspectedWriter:
    """Who wrote what malloc has followed since."""
    if followed.kind == "top":
        return _unknown(held, OverOldTop())
    mem = followed.owner + heap.layout.header
    if followed.kind == "list":
        return _unknown(held, LostFromList(mem), followed.owner)
    if followed.kind == "link":
        run_over = _run_over_link(heap, followed, held)
        if run_over is not None:
            return run_over
        fact = LinkOverwritten(mem, followed.where != found.where)
        return SuspectedWriter("dangling", followed.owner, 0, held, fact)
    around = heap.view.chunk_at(followed.owner)
    if around is None:
        return _unknown(held, None)
    below = replace(around, address=followed.owner, size=followed.end - followed.owner)
    return _overrun(heap, found, below, held)


def _run_over_link(heap: CheckedHeap, followed: Followed, held: Fact | None) -> SuspectedWriter | None:
    """Return the overrun of the block below, where what runs over its end runs over the link of the next one, too."""
    below = _block_below(heap, followed.owner)
    if below is None or below.state not in (State.IN_USE, State.UNKNOWN):
        return None
    mem, end = below.address + heap.layout.header, below.address + below.size + heap.layout.pointer_size
    run = run_across(heap, mem, end)
    if run is None or end + run.length <= followed.where:
        return None
    is_whole = bool(run.text) and run.is_whole
    fact = WrittenPast(mem, end - mem, run.length, is_whole, run.text, is_whole, run.fill, None, held)
    written = WrittenText(run.text, is_whole) if run.text else held
    return SuspectedWriter("overrun", below.address, run.length, written, fact, is_run=True)


def _block_below(heap: CheckedHeap, where: int) -> Chunk | None:
    """Return the chunk before the header that the field is in."""
    header = where - (where + heap.layout.header) % heap.layout.alignment
    row = heap.table.row_at(header - 1)
    if row is None:
        return None
    chunk = heap.table[row]
    return chunk if chunk.arena != MMAPPED_ARENA and not heap.gap[row] else None


def _overrun(heap: CheckedHeap, found: Finding, below: Chunk, held: Fact | None) -> SuspectedWriter:
    """The block below is in use, so its user may write up to the size field behind it and no further."""
    layout = heap.layout
    mem = below.address + layout.header
    end = below.address + below.size + layout.pointer_size
    over = found.where + _changed_bytes(heap, found) - end
    if found.field == "prev_size" or over <= 0:
        return _unknown(held, MayWriteItself(mem, below.size), below.address)
    run = run_across(heap, mem, end)
    over = max(over, run.length if run is not None else 0)
    text, fill = (run.text, run.fill) if run is not None else ("", None)
    is_whole = run is not None and bool(text) and run.is_whole
    is_same = run is None and bool(found.held) and _same_before(heap, found)
    over = max(over, found.where + layout.pointer_size - end) if is_same else over
    # What begins with the last word of the block below may be that block's, or written too low by this one's user.
    is_either = below_start(heap, end - layout.pointer_size) == end - layout.pointer_size
    is_odd = run is None and over >= _MANY_BYTES and not is_same
    has_user = not any(arena.top == found.address for arena in heap.view.arenas)  # nobody has a pointer to top
    or_next = end + layout.pointer_size if has_user and (is_odd or is_either) else None
    fact = WrittenPast(mem, end - mem, over, is_whole, text, is_whole, fill, or_next, held)
    is_run = not is_either and (is_same or (run is not None and bool(text or fill)))  # zeros malloc writes as well
    written = WrittenText(text, is_whole) if text else held
    return SuspectedWriter("overrun", below.address, over, written, fact, is_run)


def _from_above(heap: CheckedHeap, found: Finding, held: Fact | None) -> SuspectedWriter | None:
    """Return who wrote over the header from above: a stack that grew down, or the user of the block itself; None
    where nothing shows that."""
    header = found.where - (found.where + heap.layout.header) % heap.layout.alignment
    returns = stack_from_above(heap, header)
    if returns:
        return SuspectedWriter("stack", None, 0, held, StackGrewDown(returns[:MOST_RETURNS]))
    start = below_start(heap, header)
    if start is None or start == header:
        return None
    mem = header + heap.layout.header
    return SuspectedWriter("underrun", header, 0, held, WrittenBelow(mem, mem - start, held))


def _same_before(heap: CheckedHeap, found: Finding) -> bool:
    """Whether the last word of the block below holds what the field holds: items of an array, written one too many."""
    try:
        return heap.words.read(found.where - heap.layout.pointer_size) == found.held
    except MemoryFault:
        return False


def _changed_bytes(heap: CheckedHeap, found: Finding) -> int:
    """Return how many bytes from the field's first on were written at least: all up to the last that is not what it
    must be."""
    if found.held is None:
        return heap.layout.pointer_size
    good = found.must.example if found.must.value is None else found.must.value
    if good is None:
        return max((found.held.bit_length() + 7) // 8, 1)
    return ((good ^ found.held).bit_length() + 7) // 8


def _dangling(heap: CheckedHeap, found: Finding, held: Fact | None) -> SuspectedWriter:
    chunk = heap.view.chunk_at(found.where)
    if chunk is None or not chunk.state.is_free:
        return _unknown(held, held and OnlyHolds(held))
    mem = chunk.address + heap.layout.header
    return SuspectedWriter(
        "dangling", chunk.address, 0, held, WrittenAfterFree(mem, chunk.size, found.where - mem, held)
    )


def _what_it_holds(heap: CheckedHeap, found: Finding) -> Fact | None:
    """Return what the bytes of the field look like: text, a fill, a pointer; None for none of them."""
    if found.held is None:
        return None
    raw = found.held.to_bytes(8, "little")[: heap.layout.pointer_size]
    text = _printable_run(raw)
    if text:
        return WrittenText(f'"{text}"', False)
    if found.held and len(set(raw)) == 1:
        return WrittenFill(len(raw), raw[0])
    vma = heap.process.address_space.find(found.held)
    if vma is None:
        return None
    chunk = heap.view.chunk_at(found.held)
    if chunk is None:
        return WrittenAddress(found.held, "", None, vma.path)
    return WrittenAddress(found.held, chunk.state.label, chunk.address, vma.path)


def _printable_run(raw: bytes) -> str:
    """Return the text that all bytes up to the first NUL make, "" for less than four printable ones."""
    text = raw.split(b"\0")[0]
    good = (
        len(text) >= _SHORTEST_TEXT and all(0x20 <= byte < 0x7F for byte in text) and not raw[len(text) :].strip(b"\0")
    )
    return text.decode("ascii") if good else ""
