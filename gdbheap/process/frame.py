"""A frame of a thread's call stack, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from gdbheap.lazy import dataclass


@dataclass(frozen=True)
class Passed:
    """What a frame passed first to the function that it has called. `expression` is what the source line calls it,
    "" where no source tells; `by_code`: the code before the call tells it, not the source line alone."""

    value: int
    expression: str = ""
    by_code: bool = False


@dataclass(frozen=True)
class PassedResult:
    """What a frame passed first is what its call of `function`, at `place`, had returned, with `added` to it.
    `is_block`: that function is one of malloc's; `requested` are the bytes that it was asked for, None where they are
    not known."""

    function: str
    place: int
    is_block: bool
    requested: int | None
    added: int


@dataclass(frozen=True)
class Frame:
    """`level` 0 is the innermost. `function` is "" where nobody knows its name; `library` the file name of the module
    it is in ("" unknown; "libc.so.6" for glibc's libc whatever its file is called).

    `arguments` are those that can be read as words, by name; `registers` the words that the unwinder restored for
    this frame. `place` is "file:line" of the call, "" without line information. `is_signal`: the kernel made the
    frame, to run a signal handler in the next inner one; the next outer one is what the signal interrupted.
    `is_outermost`: the stack is known to begin here. `is_near_malloc`: nobody knows its name, and its code lies
    where malloc's does. `pointers` names the arguments that are pointers by their type.
    `passed` is what was found of the call's first argument, the surest first: looked for in frames that called
    malloc, or a function of mutexes, alone. `result`: no value is left of it, but the code tells which call it is from.
    """

    level: int
    program_counter: int
    stack_pointer: int
    function: str = ""
    library: str = ""
    arguments: Mapping[str, int] = field(default_factory=dict)
    registers: Mapping[str, int] = field(default_factory=dict)
    place: str = ""
    is_signal: bool = False
    is_outermost: bool = False
    is_near_malloc: bool = False
    pointers: frozenset[str] = frozenset()
    passed: tuple[Passed, ...] = ()
    result: PassedResult | None = None

    @property
    def words(self) -> str:
        """The frame for people: "work at work.c:20", or its module where no line is known."""
        where = f" at {self.place}" if self.place else f" in {self.library}" if self.library else ""
        return f"{self.function or hex(self.program_counter)}{where}"
