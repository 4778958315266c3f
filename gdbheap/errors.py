"""What can stop gdbheap from looking. What it finds broken when it looks is a Fault, a value, not one of these."""

from __future__ import annotations

# What makes certain where malloc keeps its things.
SYMBOLS_HELP = "libc's debug symbols (Debian, Ubuntu: apt install libc6-dbg) make this certain"


class HeapError(Exception):
    """The base of all: the plugin prints its text as one line. The text names the way out where there is one.

    To programs it is a published `code`, and what works as typed `next`.
    """

    code = "failed"
    next: tuple[str, ...] = ()


class MemoryFault(HeapError):
    """`size` bytes at `address` could not be read, at least in part."""

    code = "memory_unreadable"

    def __init__(self, address: int, size: int) -> None:
        super().__init__(f"cannot read {size} bytes at {address:#x}")
        self.address = address
        self.size = size
        self.next = (f"vmmap {address:#x}",)


class NoProcess(HeapError):
    """There is nothing to look at: no inferior, or it has exited."""

    code = "no_process"
    next: tuple[str, ...] = ("info inferiors", "info threads")


class NothingRuns(NoProcess):
    """The debugger has no process and no core: none was started, or it has ended."""

    code = "nothing_runs"
    next = ("start",)


class NoHeap(HeapError):
    """There is a process, but no glibc heap in it (yet)."""

    code = "no_heap"
    next: tuple[str, ...] = ("gdbheap", "vmmap")


class LibcNotShown(NoHeap):
    """A core does not tell where libc is; what is known of the core says why."""


class UnusedHeap(NoHeap):
    """glibc's malloc is there, and has not been used."""

    code = "heap_unused"
    next = ("next",)


class NoSymbols(HeapError):
    """Something could be found neither by symbol nor by its shape."""

    code = "not_found"
    next = ("gdbheap",)


class PackagesMissing(HeapError):
    """Python has not what gdbheap needs; the `commands` get it."""

    code = "packages_missing"

    def __init__(self, text: str, *commands: str) -> None:
        super().__init__(text)
        self.next = commands


class Refused(HeapError):
    """The system does not let gdb look at a process; the `commands` change that."""

    code = "refused"

    def __init__(self, text: str, *commands: str) -> None:
        super().__init__(text)
        self.next = commands


class MayNotLook(Refused):
    """It lets nobody but perhaps root look at the process `pid`."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"the memory of process {pid} may not be read")
        self.pid = pid


class UsageError(HeapError):
    """The command's words are off; the text says which, and what would be right. `line` and `span` (from, to) are
    for those of a long argument, where the words that are off are pointed at; "" for the rest."""

    code = "usage"

    def __init__(self, text: str, line: str = "", span: tuple[int, int] = (0, 0)) -> None:
        super().__init__(text)
        self.line = line
        self.span = span
