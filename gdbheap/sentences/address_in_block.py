"""What an address in the heap is, in one line: the answer before the facts."""

from __future__ import annotations

from gdbheap.counted import counted
from gdbheap.glibc.chunk_table import State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.sentences.block_names import BlockNames
from gdbheap.sentences.type_reasons import chain_path


def address_line(heap: HeapView, names: BlockNames | None, address: int) -> str:
    """Return the line: "8 bytes into a live Shape (Shape::id), held by shapes->first"; "" for an address in no user's
    part of a chunk."""
    chunk = heap.user_of(address)
    mem = 0 if chunk is None else chunk.address + heap.layout.header
    if chunk is None or address < mem or not (chunk.state is State.IN_USE or chunk.state.is_free):
        return ""
    where = f"{counted(address - mem, 'byte')} into" if address > mem else "the start of"
    if chunk.state is not State.IN_USE:
        return f"{where} a free block (chunk of {chunk.size:#x}, {chunk.state.label.replace('_', ' ')})"
    block = None if names is None else names.find(mem)
    name = "" if names is None or block is None else names.of(block)
    if names is None or block is None or not name:
        return f"{where} a live block of the program's (chunk of {chunk.size:#x})"
    if not names.typed(block):
        return f"{where} a live block: {name}"
    article = "a live block, " if name.startswith(("likely ", "perhaps ")) else "a live "
    member = names.member_of(block, address - mem) if address > mem else ""
    path = chain_path(names, block)
    return f"{where} {article}{name}{f' ({member})' if member else ''}{f', held by {path}' if path else ''}"
