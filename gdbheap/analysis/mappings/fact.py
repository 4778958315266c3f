"""A fact about an address."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fact:
    """`field` is the published name of what is told, `value` what it is (None: not known), `meaning` what that says,
    in words."""

    field: str
    value: str | None
    meaning: str = ""
