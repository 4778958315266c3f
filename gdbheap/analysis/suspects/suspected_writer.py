"""Who probably broke a field: the block below that was overrun, a write through a dangling pointer, a free of what
must not be freed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.invariants.finding import Finding
from gdbheap.analysis.invariants.followed import Followed, bins_behind_the_tcache
from gdbheap.analysis.invariants.listed_wrongly import Listed
from gdbheap.analysis.suspects.run_over import below_start, run_across, stack_from_above
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import MMAPPED_ARENA, Chunk, State
from gdbheap.glibc.invariant import Invariant

LINKS = frozenset(("next", "fd", "bk", "fd_nextsize", "bk_nextsize", "key"))
_SHORTEST_TEXT = 4
# An overrun by fewer bytes is nothing else: a block's last string or item, one too long.
_MANY_BYTES = 4
# So many return addresses of a stack are shown.
_MOST_RETURNS = 3


@dataclass(frozen=True)
class SuspectedWriter:
    """`kind`: "overrun" (of the block `chunk` below), "underrun" (a write below the start of `chunk` itself), "stack"
    (that grew down over it), "dangling" (a write into the freed `chunk`), "double_free" or "invalid_free" (of
    `chunk`), or "unknown".

    `overrun` is by how many bytes at least (0: not an overrun); `bytes` what was written, in words; `sentence` all
    of it for people. `is_run`: what was written is one text, or one byte over and over, on both sides of the block's
    end: malloc itself has not written that.
    """

    kind: str
    chunk: int | None
    overrun: int
    bytes: str
    sentence: str
    is_run: bool = False


def probable_writer(heap: CheckedHeap, found: Finding) -> SuspectedWriter:
    """Return who most probably broke the field, judged by what lies below it and by what it holds now."""
    if found.invariant is Invariant.LISTED_ONCE:
        return SuspectedWriter(
            "double_free", found.address, 0, "", "a second free of this block, while it was in a list already"
        )
    held = _in_words(heap, found)
    if found.listed is not None:
        return _by_free(heap, found.listed, held)
    if found.followed is not None:
        return _before_it_was_followed(heap, found, found.followed, held)
    bins = bins_behind_the_tcache(heap, found.where)
    if bins:
        sentence = (
            f"perhaps free itself: as mp_.tcache_bins is {bins:#x}, it keeps the counts and links of large blocks "
            "behind the tcache"
        )
        return SuspectedWriter("unknown", None, 0, held, sentence)
    if found.field == "n_mmaps" and (found.held or 0) > (found.must.value or 0):
        sentence = (
            "perhaps nobody: the free of a mmapped block whose size was overwritten unmaps blocks behind it "
            "too, and counts one"
        )
        return SuspectedWriter("unknown", None, 0, held, sentence)
    if found.field in LINKS:
        return _dangling(heap, found, held)
    if found.invariant in (Invariant.TCACHE_LINK, Invariant.FASTBIN_LINK):
        sentence = (
            "whoever wrote over this head of a list; or over the link of a block that malloc has handed out since, and "
            "made the head: that link is not to be seen any more"
        )
        return SuspectedWriter("unknown", None, 0, held, sentence + (held and f"; the field now reads {held}"))
    if heap.table.row_of(found.address) is None and heap.view.chunk_at(found.where) is None:
        return SuspectedWriter(
            "unknown", None, 0, held, held and f"it is no block's memory; the field now reads {held}"
        )
    if found.field in ("size", "prev_size"):
        from_above = _from_above(heap, found, held)
        if from_above is not None:
            return from_above
        below = _block_below(heap, found.where)
        if below is not None and below.state in (State.IN_USE, State.UNKNOWN):
            return _overrun(heap, found, below, held)
        if below is not None and below.state.is_free:
            mem = below.address + heap.layout.header
            sentence = (
                f"a write past the end of the block below, {mem:#x} of {below.size:#x}, which is free by now: before "
                "its free, or through a dangling pointer"
            )
            return SuspectedWriter(
                "dangling", below.address, 0, held, f"{sentence}{held and f'; the field now reads {held}'}"
            )
    return SuspectedWriter("unknown", None, 0, held, held and f"nothing below it to blame; the field now reads {held}")


def _by_free(heap: CheckedHeap, listed: Listed, held: str) -> SuspectedWriter:
    """No write broke the list: free was given what it must not be given."""
    mem, around = listed.mem, listed.around
    vma = heap.process.address_space.find(mem)
    if around is None:
        where = f"an address in {vma.path or 'an anonymous mapping'}" if vma is not None else "where nothing is mapped"
    else:
        where = f"in the {around.state.label} chunk at {around.address:#x} of {around.size:#x} bytes"
    chunk = mem - heap.layout.header
    if listed.kind == "left":
        sentence = (
            f"malloc itself: a list held {mem:#x}, {where}, as if it were a block, and its link and key lay here; how "
            "it came to the list is not to be seen any more"
        )
        return SuspectedWriter("unknown", None, 0, held, sentence)
    if listed.kind == "moved":
        sentence = (
            f"malloc moved {mem:#x}, {where}, to this tcache from a fastbin or small bin whose links were overwritten"
        )
        return SuspectedWriter("unknown", None, 0, held, sentence)
    if listed.kind == "invalid_free":
        sentence = f"free was given {mem:#x}, {where}: malloc never returned it"
    elif around is not None and around.address != chunk:
        sentence = f"a double free: {mem:#x} lies {where}: the block was freed, merged into that, and freed again"
    else:
        sentence = f"a double free: {mem:#x} was freed again while it was in the list"
    return SuspectedWriter(listed.kind, chunk, 0, held, sentence)


def _before_it_was_followed(heap: CheckedHeap, found: Finding, followed: Followed, held: str) -> SuspectedWriter:
    """Who wrote what malloc has followed since."""
    if followed.kind == "top":
        sentence = "whoever wrote over the header of the top that was there: most often the user of the block below it"
        return SuspectedWriter("unknown", None, 0, held, sentence)
    mem = followed.owner + heap.layout.header
    if followed.kind == "list":
        sentence = (
            f"perhaps nobody: {mem:#x}, the block below, still has the links of a free list, which has lost it if a "
            "link that led to it was overwritten; else it was written past its end"
        )
        return SuspectedWriter("unknown", followed.owner, 0, held, sentence)
    if followed.kind == "link":
        sentence = f"a write through a dangling pointer into the block {mem:#x}, while a list held it"
        copied = "" if followed.where == found.where else "; malloc itself copied it from there"
        return SuspectedWriter("dangling", followed.owner, 0, held, sentence + copied)
    around = heap.view.chunk_at(followed.owner)
    if around is None:
        return SuspectedWriter("unknown", None, 0, held, "")
    below = replace(around, address=followed.owner, size=followed.end - followed.owner)
    return _overrun(heap, found, below, held)


def _block_below(heap: CheckedHeap, where: int) -> Chunk | None:
    """Return the chunk before the header that the field is in."""
    header = where - (where + heap.layout.header) % heap.layout.alignment
    row = heap.table.row_at(header - 1)
    if row is None:
        return None
    chunk = heap.table[row]
    return chunk if chunk.arena != MMAPPED_ARENA and not heap.gap[row] else None


def _overrun(heap: CheckedHeap, found: Finding, below: Chunk, held: str) -> SuspectedWriter:
    """The block below is in use, so its user may write up to the size field behind it and no further."""
    layout = heap.layout
    mem = below.address + layout.header
    end = below.address + below.size + layout.pointer_size
    over = found.where + _changed_bytes(heap, found) - end
    if found.field == "prev_size" or over <= 0:
        sentence = f"the block below, {mem:#x} of {below.size:#x}, may write there itself"
        return SuspectedWriter("unknown", below.address, 0, held, sentence)
    run = run_across(heap, mem, end)
    over = max(over, run.length if run is not None else 0)
    is_whole = run is not None and bool(run.text) and run.is_whole
    text = run.text + (" and its NUL" if is_whole else "") if run is not None else ""
    what = f", with the text {text}" if text else f"; the field now reads {held}" if held else ""
    if run is not None and run.fill is not None:
        what = f", with bytes of {run.fill:#x}"
    elif run is None and over >= _MANY_BYTES and not _same_before(heap, found):
        what = f", or the one behind it, mem {end + layout.pointer_size:#x}, below its start{what}"
    by = "1 byte" if over == 1 else f"{over} bytes" if is_whole else f"at least {over} bytes"
    sentence = (
        f"the block in use below, mem {mem:#x} of {end - mem:#x} usable bytes, was written {by} past its end{what}"
    )
    is_run = run is not None and bool(text or run.fill)  # zeros malloc writes as well
    return SuspectedWriter("overrun", below.address, over, text or held, sentence, is_run)


def _from_above(heap: CheckedHeap, found: Finding, held: str) -> SuspectedWriter | None:
    """Return who wrote over the header from above: a stack that grew down, or the user of the block itself; None
    where nothing shows that."""
    header = found.where - (found.where + heap.layout.header) % heap.layout.alignment
    returns = stack_from_above(heap, header)
    if returns:
        sentence = f"a stack that grew down over it, out of a block above: {in_some_words(returns)} lie there"
        return SuspectedWriter("stack", None, 0, held, sentence)
    start = below_start(heap, header)
    if start is None:
        return None
    mem = header + heap.layout.header
    sentence = (
        f"the block itself, mem {mem:#x}, was written {mem - start} bytes below its start; the field now reads {held}"
    )
    return SuspectedWriter("underrun", header, 0, held, sentence)


def _same_before(heap: CheckedHeap, found: Finding) -> bool:
    """Whether the last word of the block below holds what the field holds: items of an array, written one too many."""
    try:
        return heap.words.read(found.where - heap.layout.pointer_size) == found.held
    except MemoryFault:
        return False


def in_some_words(returns: tuple[int, ...]) -> str:
    """Return return addresses for people, the first of them."""
    return f"return addresses ({', '.join(f'{each:#x}' for each in returns[:_MOST_RETURNS])})"


def _changed_bytes(heap: CheckedHeap, found: Finding) -> int:
    """Return how many bytes from the field's first on were written at least: all up to the last that is not what it
    must be."""
    if found.held is None:
        return heap.layout.pointer_size
    good = found.must.example if found.must.value is None else found.must.value
    if good is None:
        return max((found.held.bit_length() + 7) // 8, 1)
    return ((good ^ found.held).bit_length() + 7) // 8


def _dangling(heap: CheckedHeap, found: Finding, held: str) -> SuspectedWriter:
    chunk = heap.view.chunk_at(found.where)
    if chunk is None or not chunk.state.is_free:
        return SuspectedWriter("unknown", None, 0, held, held and f"the field now reads {held}")
    mem = chunk.address + heap.layout.header
    offset = found.where - mem
    sentence = (
        f"a write through a dangling pointer into the freed block {mem:#x} of {chunk.size:#x}, {offset:#x} bytes in"
    )
    return SuspectedWriter(
        "dangling", chunk.address, 0, held, sentence + (f"; the field now reads {held}" if held else "")
    )


def _in_words(heap: CheckedHeap, found: Finding) -> str:
    """Return what the bytes of the field look like: text, a fill, a pointer; "" for none of them."""
    if found.held is None:
        return ""
    # (A sum that cannot be may be longer than a word.)
    raw = found.held.to_bytes(32, "little")[: heap.layout.pointer_size]
    text = _printable_run(raw)
    if text:
        return f'"{text}"'
    if found.held and len(set(raw)) == 1:
        return f"{len(raw)} bytes of {raw[0]:#x}"
    vma = heap.process.address_space.find(found.held)
    if vma is not None:
        chunk = heap.view.chunk_at(found.held)
        where = (
            f"the {chunk.state.label} chunk at {chunk.address:#x}"
            if chunk is not None
            else vma.path or "an anonymous mapping"
        )
        return f"{found.held:#x}, an address in {where}"
    return ""


def _printable_run(raw: bytes) -> str:
    """Return the text that all bytes up to the first NUL make, "" for less than four printable ones."""
    text = raw.split(b"\0")[0]
    good = (
        len(text) >= _SHORTEST_TEXT and all(0x20 <= byte < 0x7F for byte in text) and not raw[len(text) :].strip(b"\0")
    )
    return text.decode("ascii") if good else ""
