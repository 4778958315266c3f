"""What is to be said beside verdicts of lost blocks because only the kernel knows it."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.counted import counted
from gdbheap.process.dynamic_symbols import DynamicSymbols
from gdbheap.process.images.elf_image import read_image
from gdbheap.process.live.in_kernel import read_in_kernel
from gdbheap.process.process import Process

# By what a program gives the kernel a pointer to keep, and what the kernel calls that.
_KEPT = {"epoll_ctl": "epoll's events", "timer_create": "timers"}
_URING = "[io_uring]"


def notes_on_kernel(process: Process) -> Iterator[str]:
    """Yield that blocks which look lost may be held by the kernel, where there is a sign that some are."""
    if process.kind == "core":
        yield from _notes_on_core(process)
    elif process.pid is not None:
        kernel = read_in_kernel(process.pid)
        if kernel.operations:
            yield (
                f"io_uring has {counted(kernel.operations, 'operation')} in flight: only the kernel knows what their "
                "user_data points to, so blocks that look lost may be held there"
            )


def _notes_on_core(process: Process) -> Iterator[str]:
    calls = process.machine.system_calls
    waiting = [each.number for each in process.threads if each.registers.get(calls.number) in calls.epoll]
    if waiting:
        who = f"thread {waiting[0]} waits" if len(waiting) == 1 else f"{len(waiting)} threads wait"
        yield (
            f"{who} for epoll: only the kernel knows what its events point to, so blocks that look lost may be held "
            "there (in a live process gdbheap reads it, but no core has it)"
        )
    wanted = [name for name in _wanted(process) if not waiting or name != "epoll_ctl"]
    if wanted:
        yield (
            f"the program can call {' and '.join(wanted)}: only the kernel knows what "
            f"{' and '.join(_KEPT[name] for name in wanted)} point to, so blocks that look lost may be held there (in "
            "a live process gdbheap reads it, but no core has it)"
        )
    if any(_URING in vma.path for vma in process.address_space):
        yield (
            "the process had an io_uring: what operations in flight point to is in no core, so blocks that look lost "
            "may be held there"
        )


def _wanted(process: Process) -> list[str]:
    """Return the calls that the program or one of its libraries has from libc."""
    found: set[str] = set()
    for module in process.modules:
        image = read_image(process, module)
        if image is not None:
            found |= set(DynamicSymbols(process, image).wanted(tuple(_KEPT)))
    return [name for name in _KEPT if name in found]
