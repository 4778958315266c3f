"""What triage says of one core: a row of its file, and of JSON lines, Parquet and the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from gdbheap.report.rows import column


@dataclass(frozen=True)
class Row:
    """A core. Names of fields are published; "" and None: not known.

    `key` is the core's identity: its place, size and first bytes. `time` is when the file was last written, UTC.
    `kind` is "crash", "leak", "growth", "quiet" (none of these) or "unread". `verdict` is `fault`'s, "none" where it
    has none, `verdicts` are all of them, the best first. `frames` are the program's own, the
    innermost first. `leaks` are the groups that lost most, `suspects` who retains most. `sure` says how far to trust
    the group. `errors` are what could not be answered: the question, and why.
    """

    key: str = field(metadata=column(shown=False))
    core: str = field(metadata=column("text", "path"))
    time: str = field(default="", metadata=column())
    size: int = field(default=0, metadata=column("bytes", shown=False))
    group: str = field(default="", metadata=column())
    signature: str = field(default="", metadata=column("text", "symbol"))
    kind: str = field(default="unread", metadata=column("label"))
    program: str = field(default="", metadata=column("text", "path"))
    build: str = field(default="", metadata=column())
    machine: str = field(default="", metadata=column(shown=False))
    glibc: str = field(default="", metadata=column())
    signal: str = field(default="", metadata=column())
    verdict: str = field(default="", metadata=column(shown=False))
    confidence: str = field(default="", metadata=column(shown=False))
    summary: str = field(default="", metadata=column())
    verdicts: tuple[str, ...] = field(default=(), metadata=column("texts", shown=False))
    frames: tuple[str, ...] = field(default=(), metadata=column("texts", shown=False))
    in_use_bytes: int | None = field(default=None, metadata=column("bytes", shown=False))
    lost_bytes: int | None = field(default=None, metadata=column("bytes"))
    leaks: tuple[Mapping[str, Any], ...] = field(default=(), metadata=column("facts", shown=False))
    suspects: tuple[Mapping[str, Any], ...] = field(default=(), metadata=column("facts", shown=False))
    rss: str = field(default="", metadata=column("label"))
    allocator_faults: tuple[str, ...] = field(default=(), metadata=column("texts"))
    sure: str = field(default="unknown", metadata=column())
    notes: tuple[str, ...] = field(default=(), metadata=column("texts", shown=False))
    errors: tuple[str, ...] = field(default=(), metadata=column("texts"))
    cpu_seconds: float = field(default=0.0, metadata=column("number", shown=False))
    peak_memory: int = field(default=0, metadata=column("bytes", shown=False))
    attempts: int = field(default=1, metadata=column("number", shown=False))
    version: str = field(default="gdbheap/1", metadata=column(shown=False))

    def record(self) -> dict[str, Any]:
        """Return the row as JSON has it."""
        return asdict(self)


NAMES = frozenset(each.name for each in fields(Row))
_LISTS = frozenset(("frames", "verdicts", "leaks", "suspects", "allocator_faults", "notes", "errors"))


def row_of(record: Mapping[str, Any]) -> Row | None:
    """Return the row that was written as this record; None where it is none."""
    known: dict[str, Any] = {
        name: tuple(value) if name in _LISTS else value for name, value in record.items() if name in NAMES
    }
    return Row(**known) if isinstance(known.get("key"), str) and isinstance(known.get("core"), str) else None
