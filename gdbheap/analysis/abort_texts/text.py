"""One abort text of glibc's malloc: which check says it, in which call, on what condition, and what that means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

Release = tuple[int, int]

OLDEST: Release = (2, 23)
NEWEST: Release = (2, 99)

OVERRUN = "a write past the end of the block below, or through a pointer that is off"
DANGLING = "a write through a dangling pointer into a freed block, or a write past the end of the block below it"


# The calls, as the table has them, that are given a pointer.
TAKE_POINTER = frozenset(
    (
        *("free", "realloc", "free or realloc", "malloc or free", "malloc or free of a large block"),
        "malloc, calloc, realloc or memalign",
    )
)


@dataclass(frozen=True)
class Message:
    """What malloc says of a fault: one of these texts, where it is not known which glibc this is."""

    texts: tuple[str, ...]

    def __str__(self) -> str:
        return " or ".join(self.texts)


# What a fault is called: one text, or what malloc may say of it.
Words = Union[str, Message]


@dataclass(frozen=True)
class AbortText:
    """One text. `call` is the call that dies of it; `function` the part of malloc that says it; `condition` is the
    check that failed; `implies` what has happened to the program; `first` and `last` the releases that have it,
    both included."""

    text: str
    call: str
    function: str
    condition: str
    implies: str
    first: Release = OLDEST
    last: Release = NEWEST
