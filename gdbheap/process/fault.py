"""Fault: what is broken, as a value."""

from __future__ import annotations

import enum

from gdbheap.lazy import dataclass


@dataclass(frozen=True)
class Fault:
    """A broken invariant, as a value: `message` in the words that malloc would abort with where it has any, `detail`
    what the field holds and what it should hold. `invariant` is which one (a member of the allocator's own enum of
    them; its value is the published name), `why` the part of the detail that tells how that is known."""

    address: int
    message: str
    detail: str = ""
    invariant: enum.Enum | None = None
    why: str = ""
