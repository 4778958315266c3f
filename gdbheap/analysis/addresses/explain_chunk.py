"""What malloc knows of an address: its chunk, in use or free, in which list, what it holds, and what a freed block
still shows of its past."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gdbheap.analysis.addresses.address_fact import AddressFact
from gdbheap.analysis.addresses.preview import leading_text, preview
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import Chunk, State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.naming import arena_name, list_name, short_name
from gdbheap.process.address import Address
from gdbheap.process.clause import clause
from gdbheap.process.fact import Fact
from gdbheap.process.memory import WORD_FORMATS
from gdbheap.process.process import Process
from gdbheap.process.symbols import SymbolAt

# How many words of the user's part malloc has written over, by state; what follows is as the program left it.
_LINKS = {State.TCACHE: 2, State.FASTBIN: 1, State.UNSORTED: 2, State.SMALL: 2, State.LARGE: 4, State.TOP: 0}
_REMAINS_BYTES = 64
_REMAINS_WORDS = 3


def chunk_facts(process: Process, view: HeapView, address: int, symbol_at: SymbolAt) -> Iterator[AddressFact]:
    """Yield the facts; none where the address is no heap's."""
    chunk = view.chunk_at(address)
    if chunk is None:
        regions = (region for arena in view.arenas for region in arena.regions)
        if any(region.start <= address < region.end for region in regions):
            yield AddressFact("chunk", None, clause("in_unreadable_part"))
        return
    whose = clause("mapping_of_its_own") if chunk.is_mmapped else clause("arena_called", arena=arena_name(chunk.arena))
    where = clause("place_in_chunk", size=chunk.size, whose=whose, offset=_offset(view, chunk, address))
    yield AddressFact("chunk", f"{chunk.address:#x}", where, _of_chunk(view, chunk, address))
    yield AddressFact("state", chunk.state.label, _state_meaning(view, chunk), state_facts(view, chunk))
    contents = preview(process.memory, view.layout, chunk, symbol_at)
    if contents:
        yield AddressFact("contents", contents)
    if chunk.state in _LINKS:
        yield from _remains(process, view, chunk, address, symbol_at)
    for fault in view.faults:
        if chunk.address <= fault.address < chunk.end:
            name = None if fault.invariant is None else fault.invariant.value
            facts = {"address": Address(fault.address), "invariant": name}
            yield AddressFact("fault", fault.message, fault.detail, facts)


def _of_chunk(view: HeapView, chunk: Chunk, address: int) -> dict[str, Any]:
    mem = chunk.address + view.layout.header
    return {
        "chunk": Address(chunk.address),
        "mem": Address(mem),
        "size": chunk.size,
        "arena": arena_name(chunk.arena),
        "offset": address - mem,
    }


def _offset(view: HeapView, chunk: Chunk, address: int) -> Fact:
    offset = address - chunk.address - view.layout.header
    if offset == 0:
        return clause("at_mem")
    if offset > 0:
        return clause("into_mem", offset=offset)
    return clause("in_header", field="size" if -offset <= view.layout.pointer_size else "prev_size")


def _state_meaning(view: HeapView, chunk: Chunk) -> Fact | None:
    place = view.place_of(chunk.address)
    if place is not None:
        each = place.bin
        return clause("in_free_list", list=list_name(each), position=place.position + 1, of=len(each.chunks))
    if chunk.state is State.MALLOC_OWNED:
        for thread in view.layout.threads:
            if thread.tcache is not None and chunk.address <= thread.tcache.value < chunk.end:
                return clause("tcache_of_thread", thread=thread.number)
        return clause("mallocs_own")
    if chunk.state is State.TOP:
        return clause("is_top")
    return clause("programs_block") if chunk.state is State.IN_USE else None


def _remains(
    process: Process, view: HeapView, chunk: Chunk, address: int, symbol_at: SymbolAt
) -> Iterator[AddressFact]:
    """Yield what the memory still shows behind malloc's links, from the address on."""
    pointer_size = view.layout.pointer_size
    first = chunk.address + view.layout.header + _LINKS[chunk.state] * pointer_size
    start = max(first, address & -pointer_size)
    size = min(_REMAINS_BYTES, chunk.end - start) // pointer_size * pointer_size
    if size <= 0:
        return
    try:
        data = process.memory.read(start, size)
    except MemoryFault:
        return
    where = Address(start)
    text = leading_text(data)
    if text:
        yield AddressFact("remains", text, clause("remains_text", start=where))
    elif len(set(data)) == 1 and data[0]:
        yield AddressFact("remains", f"all {data[0]:#04x}", clause("remains_filled", start=where))
    elif not any(data):
        yield AddressFact("remains", "zeros", clause("remains_zeros", start=where))
    else:
        yield AddressFact("remains", *_words(data, pointer_size, where, symbol_at))


def _words(data: bytes, pointer_size: int, where: Address, symbol_at: SymbolAt) -> tuple[str, Fact]:
    words = memoryview(data).cast(WORD_FORMATS[pointer_size]).tolist()[:_REMAINS_WORDS]
    symbols = [symbol_at(each) if each > 0xFFFF else None for each in words]
    shown = " ".join(f"{each:#x} <{symbol}>" if symbol else f"{each:#x}" for each, symbol in zip(words, symbols))
    table = next((symbol.class_name for symbol in symbols if symbol and symbol.class_name), "")
    return shown, (clause("remains_object", start=where, cls=table) if table else clause("remains_words", start=where))


def state_facts(view: HeapView, chunk: Chunk) -> dict[str, Any]:
    """Return the state, and of a chunk in a free list which and where in it."""
    place, state = view.place_of(chunk.address), {"state": chunk.state.label}
    if place is None:
        return state
    each = place.bin
    return {**state, "bin": short_name(each), "position": place.position + 1, "of": len(each.chunks)}
