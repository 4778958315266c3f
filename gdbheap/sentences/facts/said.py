"""said: a fact in English, for people."""

from __future__ import annotations

import string
from typing import Any

from gdbheap.analysis.addresses.address_fact import AddressFact
from gdbheap.analysis.facts.fact import Fact, InWords, Joined
from gdbheap.sentences.facts import (
    aborts,
    accesses,
    clauses,
    control,
    cxx,
    free_checks,
    heap,
    locks,
    mappings,
    memory,
    passed,
    places,
    pointers,
    processor,
    signals,
    stacks,
    stop,
    writers,
)
from gdbheap.sentences.facts.phrases import Phrase, Template

PHRASES: dict[type[Fact], Phrase] = {
    InWords: "{text}",
    Joined: lambda fact: "; ".join(map(said, fact.facts)),
}
_MODULES = (
    *(aborts, accesses, clauses, control, cxx, free_checks, heap, locks, mappings, memory, passed),
    *(places, pointers, processor, signals, stacks, stop, writers),
)
for _module in _MODULES:
    PHRASES.update(_module.PHRASES)


def said(fact: Fact) -> str:
    """Return the fact in English: no full stop, no capital letter."""
    phrase = PHRASES[type(fact)]
    if isinstance(phrase, Template):
        phrase = phrase.of(fact)
    return _ENGLISH.format(phrase, **fact.values()) if isinstance(phrase, str) else phrase(fact)


def meaning_of(fact: AddressFact) -> str:
    """Return what a fact about an address says."""
    return fact.meaning if isinstance(fact.meaning, str) else said(fact.meaning)


class _English(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        return format(said(value) if isinstance(value, Fact) else value, format_spec)


_ENGLISH = _English()
