"""What only machines with tagged pointers, aligned instructions or guarded branches die of."""

from __future__ import annotations

from gdbheap.analysis.facts.processor import (
    BranchNotAllowed,
    CodeOfPointerWrong,
    NoMultipleJumpedTo,
    PointerTagIs,
    StackMisaligned,
    TagMismatch,
)
from gdbheap.sentences.facts.control import how_it_came
from gdbheap.sentences.facts.phrases import Phrases


def _mismatch(fact: TagMismatch) -> str:
    if fact.is_late:
        return (
            "an access had a pointer whose tag is not the memory's (MTE): a use after free, or an access beyond a "
            "block; the processor reported it later, so that the instruction here need not be the one"
        )
    what = f"the {fact.access}" if fact.access else "the access"
    return f"the pointer's tag is not that of the memory of {what} (MTE): a use after free, or an access beyond a block"


def _branch(fact: BranchNotAllowed) -> str:
    kind = "call" if fact.by_call else "jump"
    return f"an indirect {kind} led to an instruction that is no landing pad (bti), in a page whose code has them"


PHRASES: Phrases = {
    TagMismatch: _mismatch,
    PointerTagIs: "the address has the tag {tag}: without it, it is {address}",
    StackMisaligned: "the stack pointer must be a multiple of {alignment} where memory is accessed through it",
    NoMultipleJumpedTo: lambda fact: (
        f"the program jumped to {fact.address:#x}, which is no multiple of {fact.alignment}: no instruction can begin "
        f"there: {how_it_came(fact.how)}"
    ),
    BranchNotAllowed: _branch,
    CodeOfPointerWrong: (
        "{mnemonic} found the pointer's authentication code (PAC) wrong: the pointer was overwritten, or signed "
        "for another use"
    ),
}
