"""Fault: what is broken, as a value."""

from __future__ import annotations

import enum
from typing import Any

from gdbheap.errors import MemoryFault
from gdbheap.lazy import dataclass
from gdbheap.process.address import Address
from gdbheap.process.clause import clause
from gdbheap.process.fact import Fact


@dataclass(frozen=True)
class Message(Fact):
    """What a fault is called: one of the `texts` that the allocator dies of it with (several, where releases differ
    and it is not known which this is), or a `name` of ours where it has no words for it."""

    kind = "message"
    texts: tuple[str, ...] = ()
    name: Fact | None = None


def dies_with(text: str) -> Message:
    """Return the message of a fault for which the allocator has words."""
    return Message((text,))


def called(name: str, **values: Any) -> Message:
    """Return the message of a fault for which it has none."""
    return Message((), clause(name, **values))


@dataclass(frozen=True)
class Fault:
    """A broken invariant, as a value: its `message`, and `detail`, what the field holds and what it should hold.
    `invariant` is which one (a member of the allocator's own enum of them; its value is the published name), `why` the
    part of the detail that tells how that is known."""

    address: int
    message: Message
    detail: Fact | None = None
    invariant: enum.Enum | None = None
    why: Fact | None = None


def unreadable(error: MemoryFault) -> Fact:
    """Return that memory could not be read, as a fact."""
    return clause("memory_unreadable", size=error.size, address=Address(error.address))
