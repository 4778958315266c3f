"""What a bad pointer's value tells: NULL, an errno, text, a fill, a mangled link, half of an address."""

from __future__ import annotations

from gdbheap.analysis.facts.places import InChunk, InMapping
from gdbheap.lazy import dataclass
from gdbheap.process.fact import Fact, Hex


@dataclass(frozen=True)
class MadeOf(Fact):
    """An operand's `address`, and the registers that it was made of ("" none)."""

    kind = "operand"
    operand: str
    address: Hex
    base: str
    base_value: Hex
    index: str
    index_value: Hex
    scale: int


@dataclass(frozen=True)
class NullUsed(Fact):
    """A NULL pointer is used to read or write."""

    kind = "null_used"
    access: str


@dataclass(frozen=True)
class NearNullUsed(Fact):
    """A pointer that is a small number."""

    kind = "near_null_used"
    value: Hex


@dataclass(frozen=True)
class PartOfNullUsed(Fact):
    """A member of an object at NULL, or (`is_element`) an element of an array there, `offset` bytes into it."""

    kind = "part_of_null_used"
    is_element: bool
    offset: int
    access: str


@dataclass(frozen=True)
class NullIndexed(Fact):
    """An array at NULL is indexed: `index` elements of `scale` bytes on (None: not known), `offset` bytes."""

    kind = "null_indexed"
    index: int | None
    scale: int | None
    offset: int


@dataclass(frozen=True)
class ErrnoUsed(Fact):
    """A pointer that is -errno, or -1 (MAP_FAILED)."""

    kind = "errno_used"
    errno: int


@dataclass(frozen=True)
class NegativeUsed(Fact):
    """`address` as a negative number; `pointer` is what it was made of (None: NULL)."""

    kind = "negative_used"
    address: int
    pointer: int | None


@dataclass(frozen=True)
class NotCanonical(Fact):
    """No address of this machine's has these upper bits."""

    kind = "not_canonical"
    address: Hex
    machine: str


@dataclass(frozen=True)
class KernelAddress(Fact):
    """The address is the kernel's."""

    kind = "kernel_address"


@dataclass(frozen=True)
class LinkUsed(Fact):
    """The pointer is the mangled link of a freed block."""

    kind = "mangled_link_used"


@dataclass(frozen=True)
class SameAsLink(Fact):
    """The word at `mem`, a freed block in the list `bin`, is the same as the pointer; demangled it is `link`."""

    kind = "same_as_link"
    mem: Hex
    bin: str
    link: Hex


@dataclass(frozen=True)
class KeyUsed(Fact):
    """The pointer is the key of a tcache."""

    kind = "tcache_key_used"


@dataclass(frozen=True)
class TcacheKeyIs(Fact):
    """The tcache key."""

    kind = "tcache_key"
    key: Hex


@dataclass(frozen=True)
class KeyMustBeAt(Fact):
    """The second word of a cached block, where malloc keeps the key, is the same."""

    kind = "tcache_key_must_be_at"
    place: Hex


@dataclass(frozen=True)
class TextUsed(Fact):
    """The pointer is text."""

    kind = "text_used"
    text: str


@dataclass(frozen=True)
class HalfUsed(Fact):
    """The pointer is the lower 32 bits of `whole`."""

    kind = "half_used"
    whole: Hex
    sign_extended: bool


@dataclass(frozen=True)
class WouldLieIn(Fact):
    """Where the whole pointer would lead."""

    kind = "would_lie_in"
    address: Hex
    mapping: InMapping


@dataclass(frozen=True)
class ChunkIsThere(Fact):
    """A chunk is there."""

    kind = "chunk_there"
    chunk: InChunk


@dataclass(frozen=True)
class OneBitAway(Fact):
    """The pointer is a block's address but for one bit."""

    kind = "one_bit_away"
    bit: int


@dataclass(frozen=True)
class TagLeft(Fact):
    """The pointer's uppermost bits, `count` of them, are `tag`: without them it is the address of a block."""

    kind = "tag_left"
    count: int
    tag: Hex


@dataclass(frozen=True)
class StartsChunk(Fact):
    """`address` is the start of a chunk's block."""

    kind = "starts_chunk"
    address: Hex
    chunk: InChunk


@dataclass(frozen=True)
class MarkUsed(Fact):
    """The pointer (or its lower half) repeats `mark`, which programmers and debug allocators write."""

    kind = "mark_used"
    mark: Hex
    is_whole: bool


@dataclass(frozen=True)
class FillUsed(Fact):
    """Every byte of the pointer is `byte`. `is_jemalloc`: jemalloc is loaded, and may have filled memory with it."""

    kind = "fill_used"
    byte: Hex
    is_jemalloc: bool


@dataclass(frozen=True)
class UnexplainedFillUsed(Fact):
    """Every byte of the pointer is `byte`, and `perturb` (None: not known) says where not from."""

    kind = "unknown_fill_used"
    byte: Hex
    perturb: Hex | None
    perturb_source: str


@dataclass(frozen=True)
class PerturbFillUsed(Fact):
    """Every byte is malloc's own fill: of a freed block, or of a fresh one (`freed` False)."""

    kind = "perturb_fill_used"
    byte: Hex
    freed: bool


@dataclass(frozen=True)
class PerturbIs(Fact):
    """What malloc fills with, by `source` ("perturb_byte" of libc's, or the "environment")."""

    kind = "perturb"
    perturb: Hex
    source: str
    freed: bool


@dataclass(frozen=True)
class ReturnAddressIs(Fact):
    """The return address at `slot`."""

    kind = "return_address"
    slot: Hex
    value: Hex


@dataclass(frozen=True)
class VtablePointerIs(Fact):
    """The vtable pointer."""

    kind = "vtable_pointer"
    value: Hex


@dataclass(frozen=True)
class ProgramCounterIs(Fact):
    """The program counter."""

    kind = "program_counter"
    value: Hex


@dataclass(frozen=True)
class SignalAddressIs(Fact):
    """si_addr."""

    kind = "signal_address"
    value: Hex


@dataclass(frozen=True)
class TargetIs(Fact):
    """The word that a call or jump goes to, in memory at `operand`."""

    kind = "target"
    operand: str
    value: Hex
