"""What is to be said beside verdicts of lost blocks because only the kernel knows it."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.counted import counted
from gdbheap.process.live.in_kernel import read_in_kernel
from gdbheap.process.process import Process

_URING = "[io_uring]"


def notes_on_kernel(process: Process) -> Iterator[str]:
    """Yield that blocks which look lost may be held by the kernel, where there is a sign that some are."""
    if process.kind == "core":
        yield from _notes_on_core(process)
    elif process.pid is not None:
        kernel = read_in_kernel(process.pid)
        if kernel.operations:
            yield (
                f"io_uring has {counted(kernel.operations, 'operation')} in flight: what their user_data points to is "
                "known to the kernel alone, so blocks that look lost may be held there"
            )


def _notes_on_core(process: Process) -> Iterator[str]:
    calls = process.machine.system_calls
    waiting = [each.number for each in process.threads if each.registers.get(calls.number) in calls.epoll]
    if waiting:
        who = f"thread {waiting[0]} waits" if len(waiting) == 1 else f"{len(waiting)} threads wait"
        yield (
            f"{who} for epoll: what its events point to is known to the kernel alone and in no core, "
            "so blocks that look lost may be held there (of the live process it is read)"
        )
    if any(_URING in vma.path for vma in process.address_space):
        yield (
            "the process had an io_uring: what operations in flight point to is in no core, so blocks that look lost "
            "may be held there"
        )
