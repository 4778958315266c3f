"""Typed roots: variables of this process, each where it lies now and of which type it is."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class RootKind(enum.IntEnum):
    """How long a variable lasts. What a local one holds may be stale: it may not have been given a value yet."""

    STATIC = 0
    THREAD_LOCAL = 1
    LOCAL = 2


@dataclass(frozen=True)
class TypedRoot:
    """A variable: its name as people read it ("server", "order in take() of thread 1"), its type's number in the
    catalogue, and the address where it lies in this process. A variable that lies in a register has the address 0,
    and `word` is what it holds."""

    name: str
    type: int
    address: int
    kind: RootKind = RootKind.STATIC
    word: int | None = None
