"""Where the program went that it should not have gone."""

from __future__ import annotations

from gdbheap.analysis.facts.control import (
    ByCall,
    ByJumpOrReturn,
    ByReturn,
    ByRunningOn,
    ByTailCall,
    CalledAs,
    CallLeadsElsewhere,
    ExecutableBefore,
    InHeap,
    InNamedMapping,
    JumpedInto,
    JumpedIntoVsyscall,
    JumpedTo,
    JumpedToNull,
    LinkMapLeft,
    NotCanonicalTarget,
    NotKnownHow,
    NoVtable,
    ObjectHolds,
    ObjectIsIn,
    PoppedFrom,
    RanOn,
    ReturnedWrongly,
    ReturnRegisterHolds,
    ReturnsTo,
    TargetReadFrom,
    TextOverStack,
    TheCall,
    Unloaded,
)
from gdbheap.analysis.facts.places import AtSymbol, IntoChunk, Nowhere, OnStack
from gdbheap.process.fact import Fact
from gdbheap.sentences.facts.phrases import Phrases
from gdbheap.sentences.facts.places import chunk, distance

_ROLES = {
    "pthread_key_destructor": "the destructor of a pthread key (pthread_key_create), at the end of the thread",
    "thread_local_destructor": "the destructor of a thread_local object",
    "exit_function": "a function that was registered for the program's end (atexit)",
    "thread_function": "the function of a thread",
}


def _place(place: Fact) -> str:
    """Return what may not be executed."""
    if isinstance(place, InHeap):
        return f"the heap ({chunk(place.chunk)})"
    if isinstance(place, InNamedMapping):
        return place.path or "an anonymous mapping"
    return "the stack"


def how_it_came(fact: Fact) -> str:
    """Return how the program came to where it is."""
    if isinstance(fact, ByTailCall):
        return f"by a jump (a tail call) from {fact.function or hex(fact.address)} or beyond"
    known = {
        ByCall: "by a call through a function pointer",
        ByReturn: "by a return to an overwritten address",
        ByJumpOrReturn: "by a jump (a tail call), or by a return to an overwritten address",
        ByRunningOn: "by running on",
        NotKnownHow: "how is not known",
    }
    return known[type(fact)]


def _ran_on(fact: RanOn) -> str:
    is_unmapped = isinstance(fact.place, Nowhere)
    where = "where nothing is mapped" if is_unmapped else f"{_place(fact.place)}, which may not be executed"
    return f"the program ran past the end of its code, to {fact.address:#x}, {where}"


def _to(fact: JumpedTo) -> str:
    where = "where nothing is mapped" if isinstance(fact.place, Nowhere) else "in the kernel's half"
    return f"the program jumped to {fact.address:#x}, {where}: {how_it_came(fact.how)}"


def _to_null(fact: JumpedToNull) -> str:
    what = f"NULL + {fact.offset:#x}" if fact.offset else "NULL"
    return f"the program jumped to {what}: {how_it_came(fact.how)}"


def _no_vtable(fact: NoVtable) -> str:
    why = "the object has been freed" if fact.is_freed else "the object was overwritten, or is not one"
    return f"a virtual call on an object whose vtable pointer leads to no vtable: {why}"


def _returns_to(fact: ReturnsTo) -> str:
    address = "not known" if fact.address is None else f"{fact.address:#x}"
    place = (fact.register and f"in {fact.register}") or "at the stack pointer"
    return f"the return address {place} is {address}{f' ({fact.symbol})' if fact.symbol else ''}"


def _target(fact: TargetReadFrom) -> str:
    place = ""
    if isinstance(fact.place, IntoChunk):
        place = f": {distance(fact.place.offset)} the {chunk(fact.place.chunk)}"
    elif isinstance(fact.place, AtSymbol):
        place = f": {fact.place.symbol}"
    elif isinstance(fact.place, OnStack):
        place = ": on the stack"
    return f"the target was read from {fact.slot:#x}{place}"


def _unloaded(fact: Unloaded) -> str:
    if fact.role:
        return f"what libc called there is {_ROLES[fact.role]}, probably in a library that has been unloaded (dlclose)"
    name = f": {fact.library}" if fact.library else ""
    return f"the address was in a library that has been unloaded (dlclose){name}"


PHRASES: Phrases = {
    InHeap: _place,
    InNamedMapping: _place,
    ByCall: how_it_came,
    ByTailCall: how_it_came,
    ByJumpOrReturn: how_it_came,
    ByReturn: how_it_came,
    ByRunningOn: how_it_came,
    NotKnownHow: how_it_came,
    RanOn: _ran_on,
    JumpedToNull: _to_null,
    JumpedInto: lambda fact: (
        f"the program jumped into {_place(fact.place)}, which may not be executed: {how_it_came(fact.how)}"
    ),
    JumpedTo: _to,
    JumpedIntoVsyscall: "the program jumped into the vsyscall page, which may only be called at its three entries",
    NotCanonicalTarget: "a call or jump to {target}, which is not canonical",
    ReturnedWrongly: "a function returned to an address that was overwritten",
    TextOverStack: "as text it is {text!r}: a string was written over the stack",
    NoVtable: _no_vtable,
    ObjectHolds: "{name} is {object}; the word there, which should be a vtable pointer, is {word}",
    ObjectIsIn: "the object is in the {chunk}",
    ExecutableBefore: "the memory before it is executable: {mapping}",
    ReturnsTo: _returns_to,
    TheCall: "the call there is `{text}`",
    CallLeadsElsewhere: "that call leads elsewhere: the function that it called, or a later one, jumped here",
    TargetReadFrom: _target,
    ReturnRegisterHolds: "{register}, by which functions return, is {value}",
    PoppedFrom: "the word just below the stack pointer, at {slot}, is the same address",
    Unloaded: _unloaded,
    CalledAs: lambda fact: f"libc called it as {_ROLES[fact.role]}",
    LinkMapLeft: "ld.so's record of it is left at {place}, in a freed block: it was loaded at {start}-{end}",
}
