"""What a phrase is: a text with the fact's fields in braces, a function that returns such a text (Template), or one
that returns the whole sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Union

from gdbheap.lazy import dataclass
from gdbheap.process.fact import Fact


@dataclass(frozen=True)
class Template:
    """Chooses the text by the fact: `of(fact)` returns it, with fields in braces."""

    of: Callable[[Any], str]


Phrase = Union[str, Template, Callable[[Any], str]]
Phrases = Mapping[type[Fact], Phrase]
