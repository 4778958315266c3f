"""What a bad pointer's value tells."""

from __future__ import annotations

import errno
import os

from gdbheap.analysis.facts.pointers import (
    ChunkIsThere,
    ErrnoUsed,
    FillUsed,
    HalfUsed,
    KernelAddress,
    KeyMustBeAt,
    KeyUsed,
    LinkUsed,
    MadeOf,
    MarkUsed,
    NearNullUsed,
    NegativeUsed,
    NotCanonical,
    NullIndexed,
    NullUsed,
    OneBitAway,
    PartOfNullUsed,
    PerturbFillUsed,
    PerturbIs,
    ProgramCounterIs,
    ReturnAddressIs,
    SameAsLink,
    SignalAddressIs,
    StartsChunk,
    TagLeft,
    TargetIs,
    TcacheKeyIs,
    TextUsed,
    UnexplainedFillUsed,
    VtablePointerIs,
    WouldLieIn,
)
from gdbheap.sentences.facts.phrases import Phrases

# What allocators, debuggers and programmers leave behind on purpose.
MARKS = {
    0xDEADBEEF: "a programmer's mark",
    0xBAADF00D: "uninitialised memory of a debug allocator",
    0xFEEEFEEE: "freed memory of a debug allocator",
    0xDEADC0DE: "a programmer's mark",
    0xCAFEBABE: "a programmer's mark",
    0xABADCAFE: "a programmer's mark",
}
FILLS = {
    0xCD: "uninitialised memory of a debug allocator",
    0xDD: "freed memory of a debug allocator",
    0xFD: "a debug allocator's fence",
    0x6B: "a freed-object fill",
    0xCC: "uninitialised memory of a debug build",
    0xAA: "a fill pattern",
    0x55: "a fill pattern",
}
JEMALLOC_FILLS = {
    0xA5: "fresh memory of jemalloc's junk filling",
    0x5A: "freed memory of jemalloc's junk filling",
}
_DONE = {"read": "read", "write": "written"}
_PERTURB = {"perturb_byte": "libc's perturb_byte", "environment": "malloc's perturb in the environment"}


def _made_of(fact: MadeOf) -> str:
    parts = []
    if fact.base:
        parts.append(f"{fact.base}={fact.base_value:#x}")
    if fact.index:
        parts.append(f"{fact.index}={fact.index_value:#x} times {fact.scale}")
    if parts:
        return f"{fact.operand} with {', '.join(parts)} is {fact.address:#x}"
    if fact.operand == f"{fact.address:#x}":
        return "the address is a constant in the instruction"
    return f"{fact.operand} is {fact.address:#x}"


def _part_of_null(fact: PartOfNullUsed) -> str:
    kind, whole = ("an element", "array") if fact.is_element else ("a member", "object")
    done = _DONE.get(fact.access, "accessed")
    return f"{kind} {fact.offset} bytes ({fact.offset:#x}) into an {whole} at NULL is {done}"


def _indexed(fact: NullIndexed) -> str:
    if fact.index is None:
        return f"an array at NULL is indexed: {fact.offset} bytes beyond its start"
    return f"an array at NULL is indexed: element {fact.index} of {fact.scale} bytes each"


def _errno(fact: ErrnoUsed) -> str:
    name = f"-{errno.errorcode[fact.errno]} ({os.strerror(fact.errno)})" if fact.errno > 1 else "MAP_FAILED, or -1,"
    return f"{name} is used as a pointer: a failed call's result was not checked"


def _negative(fact: NegativeUsed) -> str:
    if fact.pointer is None:
        return f"the address is {fact.address}: a member before an object at NULL (container_of)"
    perhaps = " (container_of of NULL?)" if fact.pointer != fact.address else ""
    return f"the address is {fact.address}: the pointer is {fact.pointer}{perhaps}"


def _half(fact: HalfUsed) -> str:
    sign = " (sign-extended)" if fact.sign_extended else ""
    return (
        f"the pointer is the lower 32 bits{sign} of {fact.whole:#x}: a function that returns a pointer was called "
        "without its declaration"
    )


def _mark(fact: MarkUsed) -> str:
    part = "the pointer" if fact.is_whole else "the pointer's lower half"
    return f"{part} is {fact.mark:#x}, {MARKS[fact.mark]}"


def _fill(fact: FillUsed) -> str:
    known = JEMALLOC_FILLS if fact.is_jemalloc else FILLS
    return f"the pointer is a fill: every byte is {fact.byte:#04x}, {known[fact.byte]}"


def _unexplained_fill(fact: UnexplainedFillUsed) -> str:
    if fact.perturb is not None:
        source = _PERTURB.get(fact.perturb_source, fact.perturb_source)
        return f"the pointer is a fill: every byte is {fact.byte:#04x} (not malloc's: {source} is {fact.perturb})"
    return (
        f"the pointer is a fill: every byte is {fact.byte:#04x}, as MALLOC_PERTURB_={fact.byte} (freed) or "
        f"{fact.byte ^ 0xFF} (fresh) fills memory"
    )


def _perturb_fill(fact: PerturbFillUsed) -> str:
    came = "was read from a block that has been freed" if fact.freed else "was never written since malloc"
    return f"every byte of the pointer is {fact.byte:#04x}, malloc's own fill: it {came}"


def _perturb(fact: PerturbIs) -> str:
    does = "free fills what it frees with it" if fact.freed else "malloc fills fresh blocks with its complement"
    return f"{_PERTURB.get(fact.source, fact.source)} is {fact.perturb:#04x}: {does}"


PHRASES: Phrases = {
    MadeOf: _made_of,
    NullUsed: "a NULL pointer is used to {access}",
    NearNullUsed: "the pointer is {value}: close to NULL, not an address",
    PartOfNullUsed: _part_of_null,
    NullIndexed: _indexed,
    ErrnoUsed: _errno,
    NegativeUsed: _negative,
    NotCanonical: (
        "{address} is not canonical: no {machine} address has these upper bits; the kernel reports 0 instead"
    ),
    KernelAddress: "the address is in the kernel's half of the address space, which no program may access",
    LinkUsed: "the pointer is the mangled link that malloc keeps in a freed block: the block was used after free",
    SameAsLink: "the word at {mem}, in a freed block in {bin}, is the same; demangled it is {link}",
    KeyUsed: (
        "the pointer is the key that malloc writes into the second word of a cached block: the block was used after "
        "free"
    ),
    TcacheKeyIs: "the tcache key is {key}",
    KeyMustBeAt: "the word at {place}, where malloc keeps the key in a cached block, is the same",
    TextUsed: "the pointer is text, {text!r}: a string was written over it",
    HalfUsed: _half,
    WouldLieIn: "{address} would lie in {mapping}",
    ChunkIsThere: "the {chunk} is there",
    OneBitAway: "one bit (bit {bit}) away from the address of a block in use",
    TagLeft: (
        "the upper {count} bits of the pointer, {tag}, are no part of an address: a tag that was not taken off, or "
        "they were overwritten"
    ),
    StartsChunk: "{address} is the start of the {chunk}",
    MarkUsed: _mark,
    FillUsed: _fill,
    UnexplainedFillUsed: _unexplained_fill,
    PerturbFillUsed: _perturb_fill,
    PerturbIs: _perturb,
    ReturnAddressIs: "the return address at {slot} is {value}",
    VtablePointerIs: "the vtable pointer is {value}",
    ProgramCounterIs: "the program counter is {value}",
    SignalAddressIs: "si_addr is {value}",
    TargetIs: "{operand} holds {value}",
}
