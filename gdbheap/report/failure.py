"""What stands in an answer's place where there is none, as a program wants it: a code, a message, what to do next."""

from __future__ import annotations

from gdbheap.errors import HeapError
from gdbheap.lazy import dataclass


@dataclass(frozen=True)
class Failure:
    """`code` is published; `next` are commands that work as typed, the likeliest first."""

    code: str
    message: str
    next: tuple[str, ...] = ()


def failure_of(error: BaseException, message: str, usage: str = "") -> Failure:
    """Return what `error`, which people are told as `message`, is to a program; `usage` is the command that shows how
    the one that failed is used."""
    if isinstance(error, HeapError):
        lead = (usage,) if error.code == "usage" and usage else ()
        return Failure(error.code, message, (*error.next, *lead))
    if isinstance(error, KeyboardInterrupt):
        return Failure("interrupted", message)
    return Failure("out_of_memory" if isinstance(error, MemoryError) else "internal_error", message)
