"""A block that is two things at once: a pointer of one type leads to it, and so does one of another. So it is where
a block was freed and handed out again while somebody still pointed to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from gdbheap.errors import HeapError, MemoryFault
from gdbheap.session.block_names import block_names
from gdbheap.session.target import Target
from gdbheap.types.catalogue import NONE, TypeKind
from gdbheap.types.pointers import begins_with
from gdbheap.types.short_names import short_name
from gdbheap.types.type_names import type_name

if TYPE_CHECKING:
    from gdbheap.analysis.crashes.crash_context import CrashContext
    from gdbheap.analysis.facts.stop import HeldAs, MemberHolds
    from gdbheap.sentences.block_names import BlockNames

# What so many words hold is no one block's address; of so many who hold it, some are named.
_MOST_WORDS = 1 << 12
_MOST_NAMES = 3
_SMALLEST = 1 << 16
_TELLING = (TypeKind.STRUCT, TypeKind.UNION, TypeKind.CHARACTER)


def reused(target: Target, crash: CrashContext, members: Sequence[MemberHolds]) -> tuple[HeldAs, ...]:
    """Return what the block is, to those who point to it, from which the bad pointer was read: nothing unless it is
    more than one thing. `members` hold the pointer that the instruction used."""
    heap = crash.heap
    if heap is None:
        return ()
    chunks = [heap.user_of(place) for place in _places(crash, members)]
    mems = {each.address + heap.layout.header for each in chunks if each is not None and not each.state.is_free}
    try:
        names = block_names(target) if mems else None
        return () if names is None else tuple(each for mem in sorted(mems) for each in _held_as(target, names, mem))
    except (HeapError, KeyboardInterrupt):
        return ()


def _places(crash: CrashContext, members: Sequence[MemberHolds]) -> Iterator[int]:
    """Yield where the pointer that the instruction used was read from, as far as that is known."""
    bases = {each.base_value for each in crash.accesses if each.base}
    if crash.is_fetch:
        bases.add(crash.stop.thread.program_counter)
    # (A NULL or a small number says nothing of what the block is.)
    used = {each for each in bases if each >= _SMALLEST}
    for each in crash.stop.expressions:
        if each.place is not None and each.value in used:
            yield each.place
        elif _word(crash, each.value) in used:  # a pointer to the pointer
            yield each.value
    yield from (each.place for each in members)


def _word(crash: CrashContext, place: int) -> int | None:
    try:
        return crash.process.words.read(place)
    except MemoryFault:
        return None


def _held_as(target: Target, names: BlockNames, mem: int) -> Iterator[HeldAs]:
    from gdbheap.analysis.facts.stop import HeldAs

    held: dict[int, list[str]] = {}
    for holder, kind in _holders(target, names, mem):
        held.setdefault(next((each for each in held if _is_same(names, each, kind)), kind), []).append(holder)
    if len(held) > 1:
        for kind, holders in held.items():
            name = short_name(type_name(names.types.catalogue, kind))
            yield HeldAs(mem, name, tuple(dict.fromkeys(holders))[:_MOST_NAMES])


def _holders(target: Target, names: BlockNames, mem: int) -> Iterator[tuple[str, int]]:
    """Yield each variable and member that points to the block's start, and the type that it points to."""
    from gdbheap.analysis.pointers.who_points import words_into

    for place, _ in islice(words_into(target.process, mem, mem + 1), _MOST_WORDS):
        holder, kind = names.pointer_at(place)
        if kind != NONE and names.types.catalogue.types[kind].kind in _TELLING:
            yield holder, kind


def _is_same(names: BlockNames, one: int, other: int) -> bool:
    """Whether an object of one type may be one of the other: a base class, a common header."""
    catalogue = names.types.catalogue
    return begins_with(catalogue, one, other) or begins_with(catalogue, other, one)
