"""The links of tcache and fastbin lists, which lead one way: the first of a list that cannot be right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from gdbheap.analysis.invariants.check_tcache import tcache_address
from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.invariants.finding import Finding, Must, Violation, WrongField
from gdbheap.analysis.invariants.followed import head_taken_from
from gdbheap.analysis.invariants.listed_wrongly import Listed, left_by_a_list, listed_wrongly
from gdbheap.counted import counted
from gdbheap.errors import MemoryFault
from gdbheap.glibc.heap_view import Bin
from gdbheap.glibc.invariant import Invariant
from gdbheap.glibc.naming import list_name
from gdbheap.glibc.walk.links import demangle
from gdbheap.lazy import dataclass
from gdbheap.process.address import Address
from gdbheap.process.clause import clause
from gdbheap.process.fact import Fact
from gdbheap.process.fault import Message, called, dies_with

_LINKS = {"tcache": Invariant.TCACHE_LINK, "fastbin": Invariant.FASTBIN_LINK}


@dataclass(frozen=True)
class _BadLink:
    """The link at `field` behind the last good chunk of a list, `last` (None: the list's head), after `count` of them:
    it holds `stored`, which leads to `target`, the `chunk` that there should be."""

    each: Bin
    last: int | None
    field: int
    stored: int
    target: int
    chunk: int
    believed: Sequence[int]

    @property
    def count(self) -> int:
        return len(self.believed)


def single_links(heap: CheckedHeap, each: Bin) -> Iterator[Finding]:
    """Yield the link behind the last good chunk of a tcache or fastbin list."""
    link = _bad_link(heap, each)
    if link is None:
        return
    taken = None if link.last is not None else _head_from(heap, each, link.target)
    if taken is not None:
        yield taken
        return
    found = _violation(heap, link).at(_owner(heap, link), _wrong(link), each.arena, each.thread)
    aligned = link.chunk % heap.layout.pointer_size == 0
    listed = listed_wrongly(heap, each, link.chunk, link.last is None) if aligned else None
    if listed is None and link.last is None and left_by_a_list(heap, link.field, link.stored):
        listed = Listed("left", link.field, heap.view.chunk_at(link.field))
    yield replace(found, listed=listed, suspects=found.suspects if listed is None else ())


def _bad_link(heap: CheckedHeap, each: Bin) -> _BadLink | None:
    layout = heap.layout
    chunks = each.chunks[: heap.believed(each)]
    last = chunks[-1] if chunks else None
    field = head_slot(heap, each) if last is None else last + layout.header
    try:
        stored = heap.words.read(field)
    except MemoryFault:
        return None
    target = stored if last is None else demangle(field, stored, layout)
    chunk = target - layout.header if each.kind == "tcache" else target
    return _BadLink(each, last, field, stored, target, chunk, chunks)


def _violation(heap: CheckedHeap, link: _BadLink) -> Violation:
    layout, each = heap.layout, link.each
    take, after = f"malloc({each.min_size - layout.pointer_size:#x})", link.count + 1
    if (link.chunk + layout.header) % layout.alignment:
        message = _unaligned(heap, link)
        call = clause("comes_call_number_from_now", take=take, after=after)
    else:
        loops = link.chunk in link.believed
        message = called("list_loops", list=each.kind) if loops else called("link_leads_to_no_chunk", list=each.kind)
        call = clause("none_once_call_number_from_now", after=after, take=take)
    why = clause("link_behind", leads=_leads(heap, link), count=counted(link.count, "chunk"), list=list_name(each))
    inside = heap.view.chunk_at(link.chunk)
    suspects = () if inside is None or inside.address == link.chunk else (inside.address,)
    expected = clause(
        "mangled_link_or_end" if layout.safe_linking and link.last is not None else "link_or_end",
        size=f" of {each.min_size:#x} bytes" if each.min_size == each.max_size else "",
    )
    return Violation(_LINKS[each.kind], message, Must(expected), call, why, suspects)


def _unaligned(heap: CheckedHeap, link: _BadLink) -> Message:
    if link.each.kind == "tcache":
        otherwise = called("link_leads_to_no_chunk", list="tcache")
        return heap.texts.choose("malloc(): unaligned tcache chunk detected", otherwise=otherwise)
    text = f"malloc(): unaligned fastbin chunk detected{' 2' if link.last is None else ''}"
    return heap.texts.choose(text, otherwise=dies_with("malloc(): memory corruption (fast)"))


def _leads(heap: CheckedHeap, link: _BadLink) -> Fact:
    target = Address(link.target)
    if (link.chunk + heap.layout.header) % heap.layout.alignment:
        return clause("leads_not_aligned", target=target)
    if link.chunk in link.believed:
        return clause("leads_into_the_list", target=target)
    if heap.table.row_of(link.chunk) is None:
        return clause("leads_to_no_chunk", target=target)
    return clause("leads_to_another_size", target=target)


def _owner(heap: CheckedHeap, link: _BadLink) -> int:
    """Return the address of the chunk, or of the arena or tcache, that has the link."""
    if link.last is not None:
        return link.last
    each = link.each
    return tcache_address(heap, each.thread) if each.arena is None else heap.view.arenas[each.arena].address


def _wrong(link: _BadLink) -> WrongField:
    member, heads = ("next", "entries") if link.each.kind == "tcache" else ("fd", "fastbinsY")
    name = member if link.last is not None else f"{heads}[{link.each.index}]"
    return WrongField(name, link.field, link.stored)


def head_slot(heap: CheckedHeap, each: Bin) -> int:
    """Return the address of the word from which a tcache or fastbin list hangs."""
    if each.arena is None:
        struct = heap.layout.tcache_struct
        entries = struct.offset("entries") if struct is not None else 0
        return tcache_address(heap, each.thread) + entries + each.index * heap.layout.pointer_size
    arena = heap.view.arenas[each.arena]
    return arena.address + heap.layout.malloc_state.offset("fastbinsY") + each.index * heap.layout.pointer_size


def _head_from(heap: CheckedHeap, each: Bin, head: int) -> Finding | None:
    """Return the Finding of the link that malloc has made the head of a list, where that leads out of all chunks."""
    chunk = head - heap.layout.header if each.kind == "tcache" else head
    if heap.table.row_of(chunk) is not None or heap.gap_at(chunk) is not None:
        return None
    followed = head_taken_from(heap, each, head)
    if followed is None:
        return None
    first = demangle(followed.where, followed.value or 0, heap.layout)
    expected = clause("link_free_chunk_long_list_held")
    why = clause("block_handed_out_and_link_followed", first=Address(first), list=list_name(each), head=Address(head))
    call = clause("malloc_hands_out_what_link_leads", value=each.min_size - heap.layout.pointer_size)
    field = "next" if each.kind == "tcache" else "fd"
    message = called("link_leads_to_no_chunk", list=each.kind)
    if (chunk + heap.layout.header) % heap.layout.alignment:
        message = heap.texts.choose(f"malloc(): unaligned {each.kind} chunk detected", otherwise=message)
    found = Violation(_LINKS[each.kind], message, Must(expected), call, why).at(
        followed.owner, WrongField(field, followed.where, followed.value), each.arena, each.thread
    )
    return replace(found, followed=followed)
