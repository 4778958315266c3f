"""said: a fact in English, for people."""

from __future__ import annotations

import importlib
import string
from collections.abc import Iterable
from typing import Any

from gdbheap.analysis.addresses.address_fact import AddressFact
from gdbheap.counted import counted
from gdbheap.process.fact import Fact, Joined
from gdbheap.sentences.facts.phrases import Phrase, Template

# The words for the facts of a file stand in a file of the same name here, but for these.
_ELSEWHERE = {
    **dict.fromkeys(("clause", "fault", "finding"), "clauses"),
    "address_facts": "mappings",
    "outcome": "predictions",
}
_phrases: dict[type[Fact], Phrase] = {
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


def said_all(facts: Iterable[Fact]) -> tuple[str, ...]:
    """Return each fact in English."""
    return tuple(map(said, facts))


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
        """Say a fact within a fact; `{count:chunk}` is "1 chunk", "2 chunks"."""
        if isinstance(value, Fact):
            return said(value)
        if isinstance(value, tuple):
            return ", ".join(map(str, value))
        is_noun = len(format_spec) > 1 and format_spec.replace(" ", "").isalpha()
        return counted(value, format_spec) if is_noun else format(value, format_spec)


_ENGLISH = _English()
