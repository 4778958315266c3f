"""A fact about an address."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from gdbheap.lazy import dataclass
from gdbheap.process.fact import Fact


@dataclass(frozen=True)
class AddressFact:
    """`field` is the published name of what is told, `value` what it is (None: not known), `meaning` what that says
    (None: nothing more). Both are facts, or words where people are told. `facts` are the same as a program needs them:
    ints, Addresses, names, flags, by their published names."""

    field: str
    value: Fact | str | None
    meaning: Fact | str | None = ""
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
