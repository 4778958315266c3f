"""What only machines with tagged pointers, aligned instructions or guarded branches die of."""

from __future__ import annotations

from gdbheap.lazy import dataclass
from gdbheap.process.fact import Fact, Hex


@dataclass(frozen=True)
class TagMismatch(Fact):
    """A pointer's tag was not that of the memory (MTE). `access` is what was tried ("" not known); `is_late`: the
    processor reported it later than it happened."""

    kind = "tag_mismatch"
    access: str
    is_late: bool


@dataclass(frozen=True)
class PointerTagIs(Fact):
    """The address has a tag in its highest byte, which the processor ignores, or MTE checks."""

    kind = "pointer_tag"
    tag: Hex
    address: Hex


@dataclass(frozen=True)
class StackMisaligned(Fact):
    """The stack pointer, of which an address was made, is no multiple of `alignment`."""

    kind = "stack_misaligned"
    alignment: int


@dataclass(frozen=True)
class NoMultipleJumpedTo(Fact):
    """The program jumped to an address at which no instruction can begin."""

    kind = "no_multiple_jumped_to"
    address: Hex
    alignment: int
    how: Fact


@dataclass(frozen=True)
class BranchNotAllowed(Fact):
    """An indirect branch led to an instruction that is no landing pad (BTI)."""

    kind = "branch_not_allowed"
    by_call: bool


@dataclass(frozen=True)
class CodeOfPointerWrong(Fact):
    """A pointer's authentication code was wrong (PAC)."""

    kind = "pointer_code_wrong"
    mnemonic: str
