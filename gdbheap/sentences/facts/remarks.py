"""What must be known of a process before what is said of it is believed."""

from __future__ import annotations

from gdbheap.counted import counted
from gdbheap.process.remarks import (
    CoreTruncated,
    DataLimited,
    HeadersLeftOut,
    MappingsNotListed,
    NothingWritten,
    NoThreads,
    OtherMachine,
    SegmentsUnread,
    StrictOvercommit,
    ThreadsNotHeld,
    ThreadsRunOn,
    ThreadsUnread,
    UnreadByGdb,
)
from gdbheap.sentences.facts.phrases import Phrases

_FOUND = (
    "here are those of the modules that the dynamic linker lists, and the memory that pointers lead to, which is "
    "assumed to be writable; there may be more"
)


def _not_listed(fact: MappingsNotListed) -> str:
    return (
        f"the target does not list its mappings ({fact.error}; qemu-user does from version 8.1 on): "
        f"{_FOUND if fact.found else 'none is known'}"
    )


def _segments(fact: SegmentsUnread) -> str:
    why = "is cut off within its headers" if fact.cut_off else "claims more headers than are read"
    return f"the core {why}: {fact.unread} of {fact.claimed} segments are unknown"


PHRASES: Phrases = {
    ThreadsRunOn: lambda fact: (
        f"threads that run on, and may change what is shown: {', '.join(map(str, fact.threads))}"
    ),
    ThreadsNotHeld: lambda fact: (
        f"gdb holds only some of the process's threads: {counted(fact.count, 'other')} may change what is shown"
    ),
    MappingsNotListed: _not_listed,
    OtherMachine: (
        "the core is of another machine, {machine}: its memory is read, its registers are not (only {known})"
    ),
    NoThreads: "the core has no thread notes: no registers",
    SegmentsUnread: _segments,
    ThreadsUnread: "the core has more threads than are read: the first {read:,} are shown",
    CoreTruncated: (
        "the core is truncated: {missing:,} of {total:,} bytes of memory are missing, in {ranges:range} between "
        "{start} and {end}"
    ),
    UnreadByGdb: (
        "{missing:,} bytes of memory are missing: gdb could not read them when it made this core (threads' stacks "
        "since glibc 2.42, before gdb 18), in {ranges:range} between {start} and {end}"
    ),
    NothingWritten: "the core holds no memory that the process wrote (bit 0 of coredump_filter is clear)",
    HeadersLeftOut: (
        "the core has no ELF headers (bit 4 of coredump_filter is clear): a file on this machine is taken for the one "
        "that ran if its layout and its dynamic section are the same"
    ),
    StrictOvercommit: "vm.overcommit_memory is 2: what the kernel grants depends on all other processes",
    DataLimited: "RLIMIT_DATA limits how far the heap may grow",
}
