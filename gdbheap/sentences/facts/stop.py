"""What the stop itself tells."""

from __future__ import annotations

from gdbheap.analysis.facts.stop import (
    Accessed,
    AddressOf,
    CalledFrom,
    ExpressionHolds,
    HeldAs,
    Holds,
    MemberHolds,
    NoSignalInformation,
    Reused,
    SignalAddress,
    SignalCode,
    StackPointerIs,
    TheInstruction,
)
from gdbheap.sentences.facts.phrases import Phrases


def _expression(fact: ExpressionHolds) -> str:
    member = f"; {fact.expression}->{fact.member} is {fact.offset:#x} bytes into it" if fact.member else ""
    return f"{fact.expression} ({fact.type}) is {fact.value:#x}{member}"


def _member(fact: MemberHolds) -> str:
    if fact.way and fact.way != fact.member:
        return f"{fact.way} holds {fact.value:#x} ({fact.member} at {fact.place:#x})"
    return f"{fact.member} holds {fact.value:#x} (at {fact.place:#x})"


PHRASES: Phrases = {
    TheInstruction: "the instruction is `{text}`",
    SignalCode: "si_code is {code}",
    SignalAddress: "si_code {code}, si_addr {address}",
    NoSignalInformation: "no signal information",
    Holds: "{name} is {value}",
    AddressOf: "the address {operand} is {address}",
    Accessed: "{operand} {access}s {address}",
    ExpressionHolds: _expression,
    CalledFrom: lambda fact: f"called from {fact.caller.words}",
    StackPointerIs: "the stack pointer is {address}",
    MemberHolds: _member,
    HeldAs: lambda fact: (
        f"{' and '.join(fact.holders)} {'point' if len(fact.holders) > 1 else 'points'} to {fact.type}"
    ),
    Reused: "both are the block at {block}: freed and handed out again while somebody still pointed to it (or cast)",
}
