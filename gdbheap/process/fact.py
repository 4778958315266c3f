"""Fact: one thing that was found, as a value. sentences/ says it in English, JSON has it as a record."""

from __future__ import annotations

import enum
from typing import Any, ClassVar

from gdbheap.lazy import dataclass, fields
from gdbheap.process.address import Address
from gdbheap.process.frame import Frame

# The type of a field that is an address: people read it in hex, JSON has it as a hex string.
Hex = int


@dataclass(frozen=True)
class Fact:
    """A kind of fact is a class of these: `kind` is its published name, its fields are what it says."""

    kind: ClassVar[str] = ""

    def values(self) -> dict[str, Any]:
        """Return the fields by name; addresses as Address."""
        return {each.name: _as_address(getattr(self, each.name), str(each.type)) for each in fields(self)}

    def record(self) -> dict[str, Any]:
        """Return the kind and the fields, as JSON has them."""
        return {"kind": self.kind, **{name: plain(value) for name, value in self.values().items()}}


def _as_address(value: Any, annotation: str) -> Any:
    if not annotation.startswith(("Hex", "tuple[Hex")) or value is None:
        return value
    return tuple(map(Address, value)) if isinstance(value, tuple) else Address(value)


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, Fact):
        return value.record()
    if isinstance(value, Frame):
        return {"frame": value.level, "function": value.function, "library": value.library, "place": value.place}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    named = getattr(value, "facts", None)
    return named() if callable(named) else value


@dataclass(frozen=True)
class Joined(Fact):
    """Several facts that are told as one."""

    kind = "several"
    facts: tuple[Fact, ...]
