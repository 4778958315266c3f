"""Stacks that are used up, or are none."""

from __future__ import annotations

from gdbheap.analysis.facts.stacks import (
    AlternateStack,
    BelowAlternateStack,
    BelowStackEnd,
    BelowUsedStack,
    BeyondStackLimit,
    HandlerStackUsedUp,
    Recursion,
    StackAtLimit,
    StackIs,
    StackLimit,
    ThreadStackUsedUp,
    WildStackPointer,
)
from gdbheap.sentences.facts.phrases import Phrases


def _thread(fact: ThreadStackUsedUp) -> str:
    if fact.read_only:
        where = "it has run on into what lies below, which may not be written"
    elif fact.guard:
        where = "the address is in the guard below it"
    elif fact.far:
        where = (
            f"the address is {fact.below:#x} bytes below it: a frame, or an array in it, is larger than the rest of "
            "the stack"
        )
    else:
        where = "the address is just below it, and it has no guard"
    if not fact.own:
        return f"the stack that thread {fact.thread} was on, which is not its own (a coroutine's?), is used up: {where}"
    return f"thread {fact.thread} has used up its stack: {where}"


def _recursion(fact: Recursion) -> str:
    calls = "calls itself" if len(fact.functions) == 1 else "call each other"
    each = f"{fact.frame_size} bytes of stack each time"
    deep = f": about {fact.depth:,} deep" if fact.depth else ""
    return f"{' -> '.join(fact.functions)} {calls}{deep}, {each}"


PHRASES: Phrases = {
    WildStackPointer: (
        "the stack pointer is {stack_pointer}, where there is no stack: it was overwritten, or taken from a frame "
        "pointer that was"
    ),
    ThreadStackUsedUp: _thread,
    HandlerStackUsedUp: "a signal handler has used up the alternate stack that it runs on",
    AlternateStack: lambda fact: (
        f"the alternate stack (sigaltstack) is {fact.start:#x}-{fact.end:#x}, {fact.end - fact.start:#x} bytes"
    ),
    BelowAlternateStack: "the address is {distance:#x} bytes below it",
    StackAtLimit: "the stack has grown to its limit",
    BeyondStackLimit: "the access is beyond the stack's limit: a very large local array, or alloca",
    StackIs: "the stack is {mapping}",
    BelowStackEnd: "the address is {distance:#x} bytes below its end",
    StackLimit: lambda fact: f"the limit on its size is {fact.limit:#x} bytes (ulimit -s {fact.limit >> 10})",
    BelowUsedStack: "the address is {distance:#x} bytes below what has been used so far",
    Recursion: _recursion,
}
