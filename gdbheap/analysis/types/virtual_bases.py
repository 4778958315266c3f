"""Objects with virtual base classes: where these lie is written in the vtables of the object itself, the same for all
objects that are of that class as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.errors import MemoryFault
from gdbheap.types.catalogue import NONE, Member, MemberKind

_DEEPEST = 16


def complete(state: TypingState, number: int, address: int) -> int:
    """Return the type with its virtual base classes as members, where they lie in the object at the address; the type
    itself where it has none."""
    if number not in state.completed:
        state.completed[number] = _completed(state, number, address)
    return state.completed[number]


def _completed(state: TypingState, number: int, address: int) -> int:
    info = state.book.info(number)
    found: dict[int, Member] = {}
    for place, base in _virtual(state, number, 0, address, 0):
        if place >= 0 and place + state.book.size(base) <= info.size:
            found.setdefault(base, Member("", place, base, MemberKind.BASE))
    if not found:
        return number
    kept = tuple(each for each in info.members if each.kind is not MemberKind.VIRTUAL_BASE)
    return state.book.add(replace(info, members=(*kept, *found.values())))


def _virtual(state: TypingState, number: int, place: int, address: int, depth: int) -> Iterator[tuple[int, int]]:
    """Yield (offset in the object, type) of the virtual bases of the class that lies `place` bytes into the object at
    the address, and of its bases."""
    if number == NONE or depth > _DEEPEST:
        return
    for member in state.book.info(number).members:
        base = state.book.stripped(member.type)
        if member.kind is MemberKind.BASE:
            yield from _virtual(state, base, place + member.offset, address, depth + 1)
        elif member.kind is MemberKind.VIRTUAL_BASE:
            words, size = state.process.words, state.layouts.pointer_size
            try:
                offset = words.read(words.read(address + place) + member.offset)
            except (MemoryFault, OverflowError, ValueError):
                continue
            inside = place + (offset if offset < 1 << (8 * size - 1) else offset - (1 << 8 * size))
            yield inside, base
            yield from _virtual(state, base, inside, address, depth + 1)
