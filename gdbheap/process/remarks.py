"""What a reader must know of a process, or of what the kernel grants it, before believing what is said of it."""

from __future__ import annotations

from gdbheap.lazy import dataclass
from gdbheap.process.fact import Fact, Hex


@dataclass(frozen=True)
class ThreadsRunOn(Fact):
    """Some threads run, by gdb's numbers, and may change what is shown."""

    kind = "threads_run_on"
    threads: tuple[int, ...]


@dataclass(frozen=True)
class ThreadsNotHeld(Fact):
    """gdb does not hold so many threads of the process: they run."""

    kind = "threads_not_held"
    count: int


@dataclass(frozen=True)
class MappingsNotListed(Fact):
    """The target does not list its mappings, and why; whether some were `found` by other means."""

    kind = "mappings_not_listed"
    error: str
    found: bool


@dataclass(frozen=True)
class OtherMachine(Fact):
    """The core is of a machine whose registers are not known."""

    kind = "other_machine"
    machine: str
    known: str


@dataclass(frozen=True)
class NoThreads(Fact):
    """The core has no thread notes, and so no registers."""

    kind = "no_threads"


@dataclass(frozen=True)
class SegmentsUnread(Fact):
    """The core claims more segments than its headers tell (it is `cut_off`), or than are read."""

    kind = "segments_unread"
    unread: int
    claimed: int
    cut_off: bool


@dataclass(frozen=True)
class ThreadsUnread(Fact):
    """The core has more threads than the first so many, which are read."""

    kind = "threads_unread"
    read: int


@dataclass(frozen=True)
class CoreTruncated(Fact):
    """So many of the core's bytes of memory lie beyond the end of its file, in ranges from `start` to `end`."""

    kind = "core_truncated"
    missing: int
    total: int
    ranges: int
    start: Hex
    end: Hex


@dataclass(frozen=True)
class UnreadByGdb(Fact):
    """So many bytes, in ranges from `start` to `end`, could not be read by the gdb that made the core."""

    kind = "unread_by_gdb"
    missing: int
    ranges: int
    start: Hex
    end: Hex


@dataclass(frozen=True)
class NothingWritten(Fact):
    """A filter has left out all memory that the process wrote."""

    kind = "nothing_written"


@dataclass(frozen=True)
class HeadersLeftOut(Fact):
    """A filter has left out the ELF headers of the files that were mapped."""

    kind = "headers_left_out"


@dataclass(frozen=True)
class StrictOvercommit(Fact):
    """vm.overcommit_memory is 2: what the kernel grants depends on all processes."""

    kind = "strict_overcommit"


@dataclass(frozen=True)
class DataLimited(Fact):
    """RLIMIT_DATA bounds the heap."""

    kind = "data_limited"
