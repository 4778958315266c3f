"""Virtual calls on what is no object: freed, or overwritten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gdbheap.analysis.crashes.arrival import the_call
from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.crashes.pointers import by_value
from gdbheap.analysis.crashes.verdict import LIKELY, Cause, Verdict
from gdbheap.analysis.facts.control import NoVtable, ObjectHolds, ObjectIsIn
from gdbheap.analysis.facts.pointers import VtablePointerIs
from gdbheap.analysis.mappings.zones import NULL_ZONE
from gdbheap.machine.instruction import CALL, JUMP
from gdbheap.process.fact import Fact

_LARGEST_TABLE = 0x400
# What the value of a vtable pointer may tell beside that it is none.
_OVERWRITTEN = (Cause.ASCII_AS_POINTER, Cause.POISON_FILL, Cause.MANGLED_LINK, Cause.TCACHE_KEY_AS_POINTER)


def wild_vtables(crash: CrashContext) -> Iterator[Verdict]:
    """Yield a virtual call on an object whose vtable pointer is none: the load of the pointer's slot, or the call
    itself, has died.

    A C++ compiler calls a virtual function by loading the object's first word and calling through a slot of what it
    points to.
    """
    for owner, value in _possible_objects(crash):
        first = crash.word_at(owner)
        if first is None:
            continue
        table, symbol = crash.vma(first), crash.symbol_at(first)
        if table is not None and not table.writable and symbol is not None and symbol.is_vtable:
            continue
        chunk = crash.chunk(owner)
        evidence: list[Fact] = [ObjectHolds(value, owner, first)]
        if chunk is not None:
            evidence.append(ObjectIsIn(crash.in_chunk(chunk)))
        found = NoVtable(chunk is not None and chunk.state.is_free)
        next_steps = (f"explain {owner:#x}", f"x/4gx {owner:#x}")
        yield Verdict(Cause.WILD_VTABLE, LIKELY, owner, found, tuple(evidence), next_steps)
        fault = crash.fault_address if crash.fault_address is not None else first
        yield from (
            replace(each, address=fault)
            for each in by_value(crash, first, VtablePointerIs(first))
            if each.cause in _OVERWRITTEN
        )
        return


def _possible_objects(crash: CrashContext) -> Iterator[tuple[int, str]]:
    """Yield (address, name) of what may be the object of a virtual call that died: a register (`this` is an
    argument), or a pointer that the source names."""
    bases = {each.base_value for each in crash.instruction.memory if each.base}
    counter = crash.stop.thread.program_counter
    jumped = crash.is_fetch
    is_call = crash.instruction.flow in (CALL, JUMP) or _next_is_call(crash)
    # What the source reads through a pointer of its own is a member, though the fill in it is the table's too.
    named = {each.value for each in crash.stop.expressions}
    is_slot = all(each.size == crash.pointer_size and each.base_value not in named for each in crash.instruction.memory)
    for name, value, has_table in _pointers(crash):
        if not value or value % crash.pointer_size or crash.vma(value) is None:
            continue
        first = crash.word_at(value)
        if first is None or 0 < first < NULL_ZONE or (not first and not has_table and not _is_freed(crash, value)):
            continue
        # The table pointer is what the died load or call went through (with the slot's offset, where that is added
        # first), or its slot held what was jumped to.
        through = first in bases if not has_table else any(0 <= base - first < _LARGEST_TABLE for base in bases)
        if (through and (is_call or (has_table and is_slot))) or (jumped and _is_slot_of(crash, first, counter)):
            yield value, name


def _is_slot_of(crash: CrashContext, table: int, counter: int) -> bool:
    """Whether the program got to the counter through a slot of this table, by the call that is still to be seen."""
    if crash.vma(table) is None:
        return False
    call = the_call(crash, crash.stop.thread.registers)
    if call.target is not None and call.target.base:
        return call.target.base_value == table and crash.word_at(call.target.address) == counter
    # Without optimisation the slot is loaded first; NULL stands in too many places to tell anything.
    slots = (crash.word_at(table + index * crash.pointer_size) for index in range(16))
    return bool(call.target_register) and counter >= NULL_ZONE and any(slot == counter for slot in slots)


def _pointers(crash: CrashContext) -> Iterator[tuple[str, int, bool]]:
    """Yield (name, value, whether its class is known to have virtual functions) of what may point to an object."""
    registers, pointer = crash.stop.thread.registers, crash.stop.thread.stack_pointer
    for name in crash.process.machine.objects:
        value = registers.get(name, 0)
        if not value >= pointer > value - (1 << 16):
            yield name, value, False
    for each in crash.stop.expressions:
        if any(start == 0 and name.startswith("_vptr") for start, _, name in each.members):
            yield each.text, each.value, True


def _is_freed(crash: CrashContext, address: int) -> bool:
    chunk = crash.chunk(address)
    return chunk is not None and chunk.state.is_free


def _next_is_call(crash: CrashContext) -> bool:
    """Whether the died load is of the slot that the next instruction calls through."""
    following = crash.process.machine.code.decode(crash.stop.next_instruction, crash.stop.thread.registers)
    return following.flow in (CALL, JUMP)
