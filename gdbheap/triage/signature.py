"""What makes two cores one cause: the crash's verdict and the program's named frames, else what was lost or who grew.

Nothing of it depends on where the kernel put things, on the process, or on where the program was built or lies.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gdbheap.triage.row import Row

CRASH, LEAK, GROWTH, QUIET, UNREAD = "crash", "leak", "growth", "quiet", "unread"
# Somebody else ended the process, or let it dump: it did not die of what it did.
_NO_DEATH = frozenset(("none", "external_signal"))
# A recursion ends wherever the stack does.
_DEEP = frozenset(("stack_overflow", "thread_stack_overflow", "signal_stack_overflow"))
# Of the frame that it happened in nothing is left: where it went instead tells more.
_LOST_FRAME = frozenset(("return_address_overwritten",))
# Names that so many programs have that they tell none apart.
_SAID_BY_ALL = frozenset(("main", "run", "loop", "start", "worker", "thread", "handler"))
# A leak is what a core is about from this share of the blocks in use on; a holder from that one, and so many bytes.
_LEAKS, _HOLDS, _LEAST = 0.01, 0.25, 1 << 20
_NUMBERS = re.compile(r"0x[0-9a-f]+|\d+")
_QUOTED = re.compile(r"/\S*/")


@dataclass(frozen=True)
class Signature:
    """`key` is equal for two cores of one cause; `text` says it to people, `sure` how far to trust it ("certain",
    "likely", "possible", "unknown")."""

    kind: str
    key: tuple[Any, ...]
    text: str
    sure: str


def grouped(row: Row) -> Row:
    """Return the row with its kind, signature and group."""
    found = signature(row)
    name = hashlib.sha256(json.dumps(found.key).encode()).hexdigest()[:10]
    return replace(row, kind=found.kind, signature=found.text, group=name, sure=found.sure)


def signature(row: Row) -> Signature:
    """Return what the core is about."""
    if not row.machine or not row.verdict:
        why = _plain(next(_telling(row), "nothing is known of it"))
        return Signature(UNREAD, (UNREAD, why), f"not read: {why}", "unknown")
    if row.verdict not in _NO_DEATH:
        return _crash(row)
    return _leak(row) or _growth(row) or _quiet(row)


def _telling(row: Row) -> Iterator[str]:
    """Yield the errors, first what `fault` could not be answered for."""
    yield from sorted(row.errors, key=lambda error: not error.startswith("fault: "))


def _crash(row: Row) -> Signature:
    frames = sorted(row.frames) if row.verdict in _DEEP else list(row.frames)
    telling = [name for name in frames if name not in _SAID_BY_ALL]
    verdicts = row.verdicts if row.verdict in _LOST_FRAME else (row.verdict,)
    # (Of a recursion nothing is told but its own function, whose name several programs may have.)
    tells_program = telling and (len(frames) > 1 or row.verdict not in _DEEP)
    key = (CRASH, *verdicts, *frames, *(() if tells_program else (family(row.program),)))
    where = " < ".join(row.frames) or "no function with a name"
    named = any("+0x" not in name for name in row.frames)
    sure = (row.confidence or "unknown") if telling and named else "possible"
    return Signature(CRASH, key, f"{', '.join(verdicts)} in {where}", sure)


def _leak(row: Row) -> Signature | None:
    """The lost group that weighs most, where it weighs enough."""
    largest = max(row.leaks, key=_weight, default=None)
    if largest is None or _weight(largest) < max(_LEAKS * (row.in_use_bytes or 0), 1):
        return None
    size, what = _sizes(largest["chunk_size"]), largest["what"]
    key = (LEAK, family(row.program), str(what), size)
    text = f"lost: {what or 'blocks'} of {size} bytes, by {os.path.basename(row.program) or 'a program without a name'}"
    return Signature(LEAK, key, text, "likely" if largest["kind"] == "definitely_lost" else "possible")


def _growth(row: Row) -> Signature | None:
    """Who retains most, where that is much."""
    first = next(iter(row.suspects), None)
    if first is None or first["bytes"] < _LEAST or first["share"] < _HOLDS:
        return None
    key = (GROWTH, family(row.program), first["holder"], first["type"] or "")
    return Signature(
        GROWTH, key, f"held: most of the heap by {first['holder']} ({first['type'] or 'type not known'})", "possible"
    )


def _quiet(row: Row) -> Signature:
    where = " < ".join(row.frames) or "no function with a name"
    unasked = row.lost_bytes is None and bool(row.errors)
    key = (QUIET, unasked, family(row.program), row.signal, *row.frames)
    what = "no fault; what it has lost is not known" if unasked else "no fault, nothing lost"
    return Signature(QUIET, key, f"{what}; it was in {where}", "unknown" if unasked else "possible")


def family(program: str) -> str:
    """Return what all versions and builds of a program are called: server of /opt/server-1.2/bin/server-1.2."""
    name = os.path.basename(program)
    return re.split(r"[-.\d]", name, maxsplit=1)[0] or name


def _weight(group: Mapping[str, Any]) -> int:
    return int(group["bytes"]) + int(group["hanging_bytes"] or 0)


def _sizes(size: Any) -> str:
    return "-".join(f"{each:#x}" for each in size) if isinstance(size, (list, tuple)) else f"{size:#x}"


def _plain(text: str) -> str:
    """Return an error without what differs between cores."""
    return _NUMBERS.sub("N", _QUOTED.sub("", text))
