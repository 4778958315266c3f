"""What an address outside of the heap is called: a symbol, a thread's frame and local variable, a thread-local one, a
mapping and the offset in it."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.analysis.addresses.thread_locals import ThreadStorage, find_thread_storage
from gdbheap.analysis.pointers.roots import Roots
from gdbheap.process.mm import MM, read_mm
from gdbheap.session.named_place import NamedPlace
from gdbheap.session.target import Key, Target

if TYPE_CHECKING:
    from gdbheap.analysis.pointers.pointer_graph import PointerGraph
    from gdbheap.analysis.pointers.who_points import Holder
    from gdbheap.sentences.block_names import BlockNames

# What the kernel put at the top of the main stack, and its bounds.
_AT_START = (
    ("the environment", "env_start", "env_end"),
    ("the program's arguments", "arg_start", "arg_end"),
    ("argv, envp and the auxiliary vector", "start_stack", "arg_start"),
)

_MM: Key[MM] = Key("mm")
_STORAGE: Key[tuple[ThreadStorage, ...]] = Key("thread storage")


def holder_place(target: Target, held: PointerGraph, holder: Holder, names: BlockNames | None) -> NamedPlace:
    """Return what the place of a holder is called; `names` are the blocks', where they are wanted."""
    if holder.place is None:
        return NamedPlace(holder.register, holder.thread)
    if holder.block is not None:
        return place_in_block(held, holder.block, names, holder.place)
    return with_member(place_name(target, held.roots, holder.place), names)


def place_in_block(held: PointerGraph, block: int, names: BlockNames | None, address: int | None = None) -> NamedPlace:
    """Return what an address in a block is called (None: the whole block)."""
    start = int(held.blocks.start[block])
    offset = None if address is None else address - start
    place = NamedPlace(block=start, offset=offset, address=address or start)
    if names is None:
        return place
    kind = names.types.name(block)
    if offset is None:
        return replace(place, named=names.typed(block), type=kind)
    member = names.member_of(block, offset)
    is_link = names.is_link(block, offset)
    return replace(place, named=names.sure_member(block, offset), type=kind, member=member, is_link=is_link)


def with_member(place: NamedPlace, names: BlockNames | None) -> NamedPlace:
    """Return the place of a word in a variable with the member that it is."""
    if names is None or (place.symbol is None and place.thread_local is None):
        return place
    member = names.variable_at(place.address)
    # Of the variable itself, its symbol says as much.
    return replace(place, member=member, named=member if place.offset or "." in member else "")


def place_name(target: Target, roots: Roots, address: int) -> NamedPlace:
    """Return what is there; an empty one where nothing is known of the address but the number."""
    local = thread_local_name(target, address)
    if local is not None:
        return local
    mm = target.keep(_MM, lambda _: read_mm(target.process))
    for name, first, last in _AT_START:
        start, end = mm.get(first), mm.get(last)
        if start is not None and end is not None and start <= address < end:
            return NamedPlace(area=name, offset=address - start, address=address)
    root = roots.find(address)
    if root is not None and root.thread is not None:
        return NamedPlace(thread=root.thread, stack=target.stack_place(root.thread, address), address=address)
    symbol = target.symbol_at(address)
    if symbol is not None:
        return NamedPlace(symbol=symbol, offset=symbol.offset, address=address)
    vma = target.process.address_space.find(address) if root is None else None
    path, start = (root.name, root.start) if root is not None else (vma.path, vma.start) if vma is not None else ("", 0)
    if root is None and vma is None:
        return NamedPlace(address=address)
    module = next((m for m in target.process.modules if any(s.start <= address < s.end for s in m.segments)), None)
    return NamedPlace(
        area=path or "mapping",
        start=start,
        # (Other memory may lie over a part of a module.)
        elf_address=address - module.load_base if module is not None and module.path == path else None,
        offset=address - start,
        address=address,
    )


def thread_local_name(target: Target, address: int) -> NamedPlace | None:
    """Return whose thread-local storage the address is in, and what is there; None where it is in none."""
    storage = target.keep(_STORAGE, lambda _: find_thread_storage(target.process))
    each = next((each for each in storage if each.start <= address < each.end), None)
    if each is None:
        return None
    offset, module = address - each.start, each.module
    if module is None:
        return NamedPlace(thread=each.number, area="libc's struct pthread", offset=offset, address=address)
    name = target.thread_local_at(module, offset)
    if name is None:
        area = f"thread-local storage of {os.path.basename(module.path)}"
        return NamedPlace(thread=each.number, area=area, offset=offset, address=address)
    return NamedPlace(thread=each.number, thread_local=name, offset=name.offset, address=address)
