"""A variable at its address, by debug information."""

from __future__ import annotations

from gdbheap.lazy import dataclass


@dataclass(frozen=True)
class KnownVariable:
    """[start, end) is `name` of `type` ("" unknown); `member` is what of it lies at the address ("" all of it, or not
    known), `value` what all of it holds, as the debugger prints it ("" where it is long)."""

    name: str
    type: str
    start: int
    end: int
    member: str
    value: str
