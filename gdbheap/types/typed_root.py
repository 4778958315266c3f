"""Typed roots: variables of this process, each where it lies now and of which type it is."""

from __future__ import annotations

import enum

from gdbheap.lazy import dataclass


class RootKind(enum.IntEnum):
    """How long a variable lasts. What a local one holds may be stale: it may not have been given a value yet."""

    STATIC = 0
    THREAD_LOCAL = 1
    LOCAL = 2


@dataclass(frozen=True)
class TypedRoot:
    """A variable: its name in the source, its type's number in the catalogue, and the address where it lies in this
    process. A variable that lies in a register has the address 0, and `word` is what it holds. `function` is the one
    that it is local to, or static in ("" none), `thread` the debugger's number of the one that has it (None: all)."""

    variable: str
    type: int
    address: int
    kind: RootKind = RootKind.STATIC
    word: int | None = None
    function: str = ""
    thread: int | None = None

    @property
    def whose(self) -> str:
        """Whose it is: "in take() of thread 1", "of thread 2", "in get()", "" for a global one."""
        parts = [f"in {self.function}()" if self.function else "", f"of thread {self.thread}" if self.thread else ""]
        return " ".join(part for part in parts if part)

    @property
    def name(self) -> str:
        """The variable as people read it: "server", "order in take() of thread 1"."""
        return f"{self.variable} {self.whose}" if self.whose else self.variable

    @property
    def in_any_thread(self) -> str:
        """The same, whatever thread has it: "order in take()"."""
        return f"{self.variable} in {self.function}()" if self.function else self.variable
