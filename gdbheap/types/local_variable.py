"""Local variables as a debugger tells of them: its words for their types are yet to be found in a catalogue."""

from __future__ import annotations

from gdbheap.lazy import dataclass
from gdbheap.types.catalogue import TypeKind

POINTER_TO = 0
"""A step from a pointer to what it points to."""


@dataclass(frozen=True)
class ToldType:
    """A type in a debugger's words: a struct, union or plain type of this name and size ("" unnamed; void has the kind
    OPAQUE, "void"), and `steps` that lead to it from outside in: POINTER_TO, or an array's number of elements.
    `members` are names and offsets of the first few, of bit fields and static ones none."""

    steps: tuple[int, ...]
    kind: TypeKind
    name: str
    size: int
    members: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class LocalVariable:
    """A variable of a frame: at `address`, or (0) in a register that holds `word`. `thread` is the debugger's number
    of its thread, `function` the frame's ("" unknown)."""

    name: str
    type: ToldType
    address: int
    word: int | None
    thread: int
    level: int
    function: str
