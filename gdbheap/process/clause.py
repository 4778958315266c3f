"""Clause: what a broken field must hold, how that is known, or which call dies of it; each has a name."""

from __future__ import annotations

from typing import Any

from gdbheap.lazy import dataclass
from gdbheap.process.fact import Fact, plain


@dataclass(frozen=True)
class Clause(Fact):
    """`name` is the published kind, `values_by_name` what it is about."""

    kind = "clause"
    name: str
    values_by_name: tuple[tuple[str, Any], ...] = ()

    def values(self) -> dict[str, Any]:
        return dict(self.values_by_name)

    def record(self) -> dict[str, Any]:
        return {"kind": self.name, **{name: plain(value) for name, value in self.values_by_name}}


def clause(name: str, **values: Any) -> Clause:
    """Return the clause; addresses are Addresses."""
    return Clause(name, tuple(values.items()))
