"""What mappings and files say of an access that failed."""

from __future__ import annotations

from gdbheap.analysis.facts.memory import (
    AlignmentChecked,
    AllowedNow,
    BytesLeft,
    DeniedByUnknown,
    DeniedByUntold,
    EndsAsMapped,
    FileEnds,
    FileSize,
    FreeUnmaps,
    HardwareFailed,
    InGuard,
    InHeapReserve,
    KeyDenies,
    MappedBlockFreed,
    MappedBlockMoved,
    MappedBlockUnmapped,
    MappedChunks,
    NoAccess,
    NoHugePage,
    NoMappingKnown,
    NotAMultiple,
    NothingMapped,
    NotSupplied,
    OffBy,
    OnlyExecutable,
    OutOfTop,
    PageOffset,
    PastAMapping,
    PastMappedBlock,
    ReadOnlyWritten,
    StringOverrun,
    TheChunk,
    ThresholdHasRisen,
    VsyscallAccessed,
    WouldGoThrough,
)
from gdbheap.sentences.facts.phrases import Phrases
from gdbheap.sentences.facts.places import past


def _key(fact: KeyDenies) -> str:
    which = f"protection key {fact.key}" if fact.key else "a protection key"
    if fact.execute_only:
        return f"{which} denies the access: by it the kernel keeps execute-only memory from being read"
    return f"{which} denies the access{', though the permissions of the mapping allow it' if fact.despite else ''}"


def _read_only(fact: ReadOnlyWritten) -> str:
    named = f"{fact.symbol}, " if fact.symbol else ""
    things = {
        "relro": f"{named}data that ld.so relocated and then made read-only (RELRO)",
        "kernel_page": f"the kernel's {fact.path} page",
        "code": f"{named}the program's code" if fact.symbol else "code",
        "string_literal": f"a string literal, {fact.text!r}",
        "text": f"the text {fact.text!r}",
        "": str(fact.symbol or ""),
    }
    thing = things[fact.what]
    return f"a write to {f'{thing}, in ' if thing else ''}memory that is read-only ({fact.permissions})"


def _string(fact: StringOverrun) -> str:
    what = f"its {fact.which}" if fact.which else "memory"
    return f"a string instruction ({fact.instruction}) ran past the end of the mapping that {what} is in"


def _multiple(fact: NotAMultiple) -> str:
    if fact.alignment is None:
        return "the address is not aligned as the access requires"
    return f"the {fact.access} needs an address that is a multiple of {fact.alignment}"


def _size(fact: FileSize) -> str:
    if fact.reaches:
        return f"the file has {fact.size:#x} bytes now: it has grown since, or the device could not read it"
    return f"the file has {fact.size:#x} bytes"


def _mapped(fact: MappedChunks) -> str:
    chunks = f"{fact.count} mmapped chunk{'' if fact.count == 1 else 's'}"
    if fact.missing:
        return f"malloc counts {chunks}, of which {fact.missing} cannot be found: no free has unmapped what is missing"
    if fact.most is None:
        return f"malloc has {chunks}: realloc may move one, and does not count that as freed"
    return f"malloc has {chunks} now and had up to {fact.most}"


PHRASES: Phrases = {
    VsyscallAccessed: "the vsyscall page may only be called, at its three entries",
    KeyDenies: _key,
    OnlyExecutable: "the mapping may only be executed ({permissions})",
    DeniedByUnknown: (
        "a mapping denied the access, but it is not known here (cores leave out vvar and devices; gdb's own cores also "
        "leave out anonymous memory that is read-only)"
    ),
    DeniedByUntold: "the mapping does not allow this access; this core does not show what it does allow",
    NoMappingKnown: "si_code is SEGV_ACCERR, but no mapping at the address is known",
    AllowedNow: (
        "the mapping allows the access now ({permissions}): it was changed since, by another thread or a signal "
        "handler, or the signal was forged"
    ),
    WouldGoThrough: "a {access} there would go through: {effect}",
    ReadOnlyWritten: _read_only,
    InHeapReserve: (
        "the address is in the part of an arena's heap that malloc has reserved but not yet made accessible"
    ),
    InGuard: "the address is in a guard ({permissions}, {size:#x} bytes)",
    NoAccess: "the mapping allows no access at all ({permissions})",
    NothingMapped: "nothing is mapped at the address",
    PastMappedBlock: "{distance:#x} bytes past the end of an mmapped block of {size:#x} bytes",
    OutOfTop: "past the end of the heap: the access ran through top and out of it",
    PastAMapping: lambda fact: f"{past(fact.distance)} past the end of a mapping",
    StringOverrun: _string,
    BytesLeft: "{register} is {value}: {left:#x} bytes were left to go, {size} at a time",
    MappedBlockFreed: "the block that was here had a mapping of its own, which free has unmapped: a use after free",
    MappedBlockUnmapped: (
        "perhaps a large block with a mapping of its own was here, and the program itself has unmapped it (munmap)"
    ),
    MappedBlockMoved: (
        "perhaps a large block with a mapping of its own was here, and realloc has moved it: the pointer is an old one"
    ),
    TheChunk: "{chunk}",
    HardwareFailed: "the hardware has reported a memory error in the page: its content is lost",
    AlignmentChecked: "the AC flag of {flags} is set: the processor checks the alignment of every access",
    NotAMultiple: _multiple,
    OffBy: "{operand} is {address}, {past} past a multiple of {alignment}",
    NotSupplied: "the kernel could not supply the page, and its mapping is not known",
    NoHugePage: "the kernel had no huge page left for the mapping",
    FileEnds: lambda fact: (
        f"the file behind the mapping ends before this page ({fact.path or 'its name is not known'})"
    ),
    PageOffset: "the page is at offset {offset:#x} of the file",
    FileSize: _size,
    MappedChunks: _mapped,
    EndsAsMapped: lambda fact: f"the pointer ends in {fact.offset:#05x}, as malloc's pointers to mmapped chunks do",
    FreeUnmaps: "free unmaps such a chunk",
    ThresholdHasRisen: "mmap_threshold has risen to {threshold:#x}, as it does when such a block is freed",
}
