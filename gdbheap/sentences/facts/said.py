"""said: a fact in English, for people."""

from __future__ import annotations

import importlib
import string
from typing import Any

from gdbheap.analysis.addresses.address_fact import AddressFact
from gdbheap.process.fact import Fact, InWords, Joined
from gdbheap.sentences.facts.phrases import Phrase, Template

# The words for the facts of a file stand in a file of the same name here, but for these.
_ELSEWHERE = {"clause": "clauses", "finding": "clauses", "address_facts": "mappings", "outcome": "predictions"}
_phrases: dict[type[Fact], Phrase] = {
    InWords: "{text}",
    Joined: lambda fact: "; ".join(map(said, fact.facts)),
}


def phrase_for(kind: type[Fact]) -> Phrase:
    """Return the words for a kind of fact. (Each file of them is loaded when the first of its facts is said: they
    are many, and an answer needs few.)"""
    if kind not in _phrases:
        file = kind.__module__.rpartition(".")[2]
        _phrases.update(importlib.import_module(f"{__package__}.{_ELSEWHERE.get(file, file)}").PHRASES)
    return _phrases[kind]


def said(fact: Fact) -> str:
    """Return the fact in English: no full stop, no capital letter."""
    phrase = phrase_for(type(fact))
    if isinstance(phrase, Template):
        phrase = phrase.of(fact)
    return _ENGLISH.format(phrase, **fact.values()) if isinstance(phrase, str) else phrase(fact)


def meaning_of(fact: AddressFact) -> str:
    """Return what a fact about an address says."""
    return _worded(fact.meaning) or ""


def value_of(fact: AddressFact) -> str | None:
    """Return what a fact about an address is about; None where it is not known."""
    return _worded(fact.value)


def _worded(what: Fact | str | None) -> str | None:
    return said(what) if isinstance(what, Fact) else what


class _English(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        return format(said(value) if isinstance(value, Fact) else value, format_spec)


_ENGLISH = _English()
