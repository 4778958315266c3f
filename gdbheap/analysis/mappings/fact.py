"""A fact about an address."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Fact:
    """`field` is the published name of what is told, `value` what it is (None: not known), `meaning` what that says,
    in words. `facts` are the same as a program needs them: ints, Addresses, names, flags, by their published
    names."""

    field: str
    value: str | None
    meaning: str = ""
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
