"""Finding: a Fault with all that `heap check` knows of it."""

from __future__ import annotations

from dataclasses import dataclass

from gdbheap.analysis.invariants.followed import Followed
from gdbheap.analysis.invariants.listed_wrongly import Listed
from gdbheap.process.fault import Fault


@dataclass(frozen=True)
class Finding(Fault):
    """A broken invariant, field by field.

    `address` is the chunk (or arena, tcache, heap_info) concerned. `field` is the wrong field's name, `where` its
    address, `held` what it holds (None: not one word), `expected` what it must hold, in words. `call` tells which
    call trips over it, and how. `arena` is the index of the arena it belongs to, `thread` the lwp whose tcache it is
    in (None: neither). `suspects` are chunks whose size field may be the wrong one instead. `transient` where a call
    that is under way may have caused it. `listed` is how a list came to a block that it must not hold, where free
    itself wrote the link to it. `followed` is the field that was overwritten, where malloc has followed it since.
    """

    field: str = ""
    where: int = 0
    held: int | None = None
    expected: str = ""
    call: str = ""
    arena: int | None = None
    thread: int | None = None
    suspects: tuple[int, ...] = ()
    transient: bool = False
    listed: Listed | None = None
    followed: Followed | None = None


def finding(
    address: int,
    message: str,
    field: str,
    where: int,
    held: int | None,
    expected: str,
    call: str = "",
    arena: int | None = None,
    thread: int | None = None,
    suspects: tuple[int, ...] = (),
    why: str = "",
) -> Finding:
    """Make a Finding whose `detail` says what the field holds and what it must hold (and `why`)."""
    holds = f"{field} at {where:#x}" + ("" if held is None else f" is {held:#x}")
    detail = "; ".join(part for part in (f"{holds}, must be {expected}", why) if part)
    return Finding(address, message, detail, field, where, held, expected, call, arena, thread, suspects)
