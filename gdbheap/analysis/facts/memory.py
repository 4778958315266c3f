"""What mappings and files say of an access that failed."""

from __future__ import annotations

from gdbheap.analysis.facts.places import InChunk
from gdbheap.lazy import dataclass
from gdbheap.process.fact import Fact, Hex
from gdbheap.process.named_address import NamedAddress


@dataclass(frozen=True)
class VsyscallAccessed(Fact):
    """The vsyscall page may only be called, at its entries."""

    kind = "vsyscall_accessed"


@dataclass(frozen=True)
class KeyDenies(Fact):
    """A protection key (`key`, None not known) denies the access. `despite`: the mapping's permissions allow it;
    `execute_only`: it is by such a key that the kernel keeps execute-only memory from being read."""

    kind = "key_denies"
    key: int | None
    despite: bool
    execute_only: bool


@dataclass(frozen=True)
class OnlyExecutable(Fact):
    """The mapping may only be executed."""

    kind = "only_executable"
    permissions: str


@dataclass(frozen=True)
class DeniedByUnknown(Fact):
    """A mapping denied the access, and it is one that is not told here."""

    kind = "denied_by_unknown_mapping"


@dataclass(frozen=True)
class DeniedByUntold(Fact):
    """The mapping does not allow this access; what it does allow is not told."""

    kind = "denied_by_untold_permissions"


@dataclass(frozen=True)
class NoMappingKnown(Fact):
    """si_code is SEGV_ACCERR, but no mapping is known there."""

    kind = "no_mapping_known"


@dataclass(frozen=True)
class AllowedNow(Fact):
    """The mapping allows the access by now."""

    kind = "allowed_now"
    permissions: str


@dataclass(frozen=True)
class WouldGoThrough(Fact):
    """What the kernel would do with the `access` now."""

    kind = "would_go_through"
    access: str
    effect: Fact


@dataclass(frozen=True)
class ReadOnlyWritten(Fact):
    """A write to memory that may not be written. `what` that is: "relro", "kernel_page" (`path`), "code",
    "string_literal" or "text" (`text`), "" not known."""

    kind = "read_only_written"
    permissions: str
    what: str
    symbol: NamedAddress | None
    path: str
    text: str


@dataclass(frozen=True)
class InHeapReserve(Fact):
    """The part of an arena's heap that malloc has reserved, but not made accessible."""

    kind = "in_heap_reserve"


@dataclass(frozen=True)
class InGuard(Fact):
    """A small mapping that allows no access."""

    kind = "in_guard"
    permissions: str
    size: int


@dataclass(frozen=True)
class NoAccess(Fact):
    """The mapping allows no access at all."""

    kind = "no_access"
    permissions: str


@dataclass(frozen=True)
class NothingMapped(Fact):
    """Nothing is mapped at the address."""

    kind = "nothing_mapped"


@dataclass(frozen=True)
class PastMappedBlock(Fact):
    """`distance` bytes past the end of an mmapped block of `size` bytes."""

    kind = "past_mmapped_block"
    distance: int
    size: int


@dataclass(frozen=True)
class OutOfTop(Fact):
    """The access ran through top and out of the heap."""

    kind = "out_of_top"


@dataclass(frozen=True)
class PastAMapping(Fact):
    """`distance` bytes past the end of a mapping."""

    kind = "past_a_mapping"
    distance: int


@dataclass(frozen=True)
class StringOverrun(Fact):
    """A string instruction ran past the end of the mapping that its "source" or "destination" is in ("" not
    known)."""

    kind = "string_overrun"
    instruction: str
    which: str


@dataclass(frozen=True)
class BytesLeft(Fact):
    """How many bytes were left to go, `size` at a time, by the counter."""

    kind = "bytes_left"
    register: str
    value: Hex
    left: int
    size: int


@dataclass(frozen=True)
class MappedBlockFreed(Fact):
    """The block that was here had a mapping of its own, which free gave back."""

    kind = "mmapped_block_freed"


@dataclass(frozen=True)
class MappedBlockMoved(Fact):
    """Perhaps realloc has moved a block with a mapping of its own."""

    kind = "mmapped_block_moved"


@dataclass(frozen=True)
class MappedBlockUnmapped(Fact):
    """Perhaps something else than free has unmapped a block with a mapping of its own."""

    kind = "mapped_block_unmapped"


@dataclass(frozen=True)
class TheChunk(Fact):
    """The chunk that it is about."""

    kind = "the_chunk"
    chunk: InChunk


@dataclass(frozen=True)
class HardwareFailed(Fact):
    """The hardware has reported a memory error."""

    kind = "hardware_failed"


@dataclass(frozen=True)
class AlignmentChecked(Fact):
    """The flag (in register `flags`) is set that makes the processor check every access."""

    kind = "alignment_checked"
    flags: str


@dataclass(frozen=True)
class NotAMultiple(Fact):
    """The `access` needs an address that is a multiple of `alignment` (None: not known)."""

    kind = "not_a_multiple"
    access: str
    alignment: int | None


@dataclass(frozen=True)
class OffBy(Fact):
    """An operand's address is `past` a multiple of `alignment`."""

    kind = "off_by"
    operand: str
    address: Hex
    past: int
    alignment: int


@dataclass(frozen=True)
class NotSupplied(Fact):
    """The memory could not be supplied, and its mapping is not known."""

    kind = "not_supplied"


@dataclass(frozen=True)
class NoHugePage(Fact):
    """The kernel had no huge page left."""

    kind = "no_huge_page"


@dataclass(frozen=True)
class FileEnds(Fact):
    """The file behind the mapping ends before this page ("": its name is not known)."""

    kind = "file_ends"
    path: str


@dataclass(frozen=True)
class PageOffset(Fact):
    """Where in the file the page is."""

    kind = "page_offset"
    offset: int


@dataclass(frozen=True)
class FileSize(Fact):
    """How large the file is now; `reaches`: the page is in it by now."""

    kind = "file_size"
    size: int
    reaches: bool


@dataclass(frozen=True)
class MappedChunks(Fact):
    """How many mmapped chunks malloc has, and `most` it had (None: that is not what matters); `missing`: so many of
    them are not there."""

    kind = "mmapped_chunks"
    count: int
    most: int | None
    missing: int = 0


@dataclass(frozen=True)
class EndsAsMapped(Fact):
    """The pointer ends as malloc's pointers to mmapped chunks do: in `offset`."""

    kind = "ends_as_mmapped"
    offset: Hex


@dataclass(frozen=True)
class ThresholdHasRisen(Fact):
    """mmap_threshold has risen, as it does when an mmapped chunk is freed."""

    kind = "threshold_has_risen"
    threshold: int


@dataclass(frozen=True)
class FreeUnmaps(Fact):
    """free unmaps such a chunk."""

    kind = "free_unmaps"
