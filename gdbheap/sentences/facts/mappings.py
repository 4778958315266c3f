"""Where an address lies: in which mapping, file, chunk and stack, or between which mappings."""

from __future__ import annotations

from gdbheap.analysis.mappings.address_facts import (
    AboveMapping,
    AtMappingOffset,
    BelowMapping,
    GapOf,
    InFile,
    InModule,
    InNoMapping,
    InPiece,
    NearStackPointer,
    NoPlace,
    OnPage,
)
from gdbheap.process.live.pages import PageState
from gdbheap.sentences.facts.phrases import Phrases, Template

_PAGES = {
    PageState.UNTOUCHED: "never touched",
    PageState.ZERO: "the shared zero page (read, never written)",
    PageState.ANONYMOUS: "in memory, the process's own",
    PageState.FILE: "in memory, the file's or shared",
    PageState.SWAPPED: "swapped out",
    PageState.GUARD: "a guard page: any access is SIGSEGV",
}
_WHY = {
    None: "",
    NoPlace.NULL: ": it is NULL",
    NoPlace.NEAR_NULL: ", near NULL",
    NoPlace.TOO_WIDE: ", beyond {bits} bits",
    NoPlace.NOT_CANONICAL: ": it is not canonical (no {machine} address with {bits} bits)",
    NoPlace.KERNELS_HALF: ": it is the kernel's half",
}


def _in_piece(fact: InPiece) -> str:
    inside = "in its header" if fact.offset is None else "{offset:#x} bytes into its mem"
    return f"in the chunk at {{chunk}} ({{size:#x}} bytes, {{state}}), {inside}"


def _near_stack_pointer(fact: NearStackPointer) -> str:
    side = "above" if fact.above > 0 else "below"
    distance = f"{abs(fact.above):#x} bytes {side}" if fact.above else "at"
    return f"{distance} the stack pointer of thread {fact.thread}"


def _past(fact: AboveMapping) -> str:
    where = "{distance:#x} bytes past the end of" if fact.distance else "just past the end of"
    return f"{where} {_side(fact)}, which ends at {{end}}"


def _side(fact: AboveMapping | BelowMapping) -> str:
    return "{part} ({path})" if fact.path and fact.path not in fact.part else "{part}"


PHRASES: Phrases = {
    AtMappingOffset: "{address} is {offset:#x} bytes into its mapping, {left:#x} before its end: {part}",
    InFile: "offset {offset:#x} of {path}",
    InModule: "ELF address {elf_address} of {path}",
    InPiece: Template(_in_piece),
    NearStackPointer: _near_stack_pointer,
    OnPage: lambda fact: _PAGES[fact.state],
    InNoMapping: Template(lambda fact: "{address} is in no mapping" + _WHY[fact.why]),
    AboveMapping: Template(_past),
    BelowMapping: Template(lambda fact: f"{{distance:#x}} bytes below {_side(fact)}, which starts at {{start}}"),
    GapOf: "the gap between them has {size:#x} bytes",
}
