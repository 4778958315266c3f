"""The members that hold a pointer which brought a crash."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdbheap.errors import HeapError
from gdbheap.process.live.touched import touched_spans
from gdbheap.session.block_names import block_names
from gdbheap.session.target import Target
from gdbheap.types.catalogue import NONE

if TYPE_CHECKING:
    from gdbheap.analysis.crashes.crash_context import CrashContext
    from gdbheap.analysis.facts.stop import MemberHolds
    from gdbheap.sentences.block_names import BlockNames

# A value that so many words have tells nothing; nor do small numbers.
_MOST_WORDS = 1 << 12
_MOST = 3
_SMALLEST = 1 << 16


def members_with(target: Target, crash: CrashContext) -> tuple[MemberHolds, ...]:
    """Return the members of typed blocks, and of variables, that hold the pointer which the instruction used; () where
    none does, or too many do."""
    values = {value for value in _values(crash) if value >= _SMALLEST}
    if not values or crash.heap is None:
        return ()
    try:
        names = block_names(target)
        found = [] if names is None else list(_found(target, names, values))
    except (HeapError, KeyboardInterrupt):
        return ()
    return tuple(found) if len(found) <= _MOST else ()


def _values(crash: CrashContext) -> Iterator[int]:
    """Yield the pointers that the instruction went by, but for those to data that the source line names."""
    named = {each.value for each in crash.stop.expressions}
    for operand in crash.accesses:
        if operand.base and operand.base != crash.process.machine.stack_pointer and operand.base_value not in named:
            yield operand.base_value
    register = crash.instruction.target_register
    if register in crash.stop.thread.registers:
        yield crash.stop.thread.registers[register]
    if crash.is_fetch:
        yield crash.stop.thread.program_counter


def _found(target: Target, names: BlockNames, values: set[int]) -> Iterator[MemberHolds]:
    from gdbheap.analysis.facts.stop import MemberHolds
    from gdbheap.analysis.pointers.search import Values, find_words, searched_ranges
    from gdbheap.sentences.type_reasons import chain_path
    from gdbheap.types.pointers import pointers_of

    process = target.process
    ranges = list(touched_spans(process, searched_ranges(process.address_space)))
    words = 0
    for value in sorted(values):
        for place, _ in find_words(process.memory, ranges, Values.of_pointers(process, value, value)):
            words += 1
            if words > _MOST_WORDS:
                return
            block = names.find(place)
            if block is None:
                variable = names.variable_at(place)
                if "." in variable or "[" in variable:  # of a plain one the frame's variables tell
                    yield MemberHolds(variable, variable, place, value)
                continue
            offset = place - int(names.types.start[block])
            number, inside = names.types.type[block], offset - int(names.types.part[block])
            size = names.element_size(block)
            if number != NONE and size and inside % size in pointers_of(names.types.catalogue, int(number)):
                way = chain_path(names, block, names.path_within(block, offset))
                yield MemberHolds(names.member_of(block, offset), way, place, value)
