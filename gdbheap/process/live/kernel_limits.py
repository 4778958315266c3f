"""What this machine's kernel would grant a process of its, and how: what no memory of the process holds."""

from __future__ import annotations

import os

from gdbheap.errors import NoProcess
from gdbheap.files import kernel_text
from gdbheap.lazy import dataclass
from gdbheap.machine.machine import Machine
from gdbheap.process.fact import Fact
from gdbheap.process.process import Process
from gdbheap.process.remarks import DataLimited, StrictOvercommit

# vm.overcommit_memory
_HEURISTIC, _STRICT = 0, 2


@dataclass(frozen=True)
class KernelLimits:
    """`most` is the most that a mapping may take at once, `room` what all mappings together may still grow by, in
    bytes (None: any). `aligns_large`: whether mappings of whole multiples of 2 MiB are put at such a multiple;
    `processors` that the process may run on (None: not known). `reasons` say what else may be refused."""

    aligns_large: bool | None = None
    most: int | None = None
    room: int | None = None
    processors: int | None = None
    reasons: tuple[Fact, ...] = ()


def kernel_limits(process: Process) -> KernelLimits:
    """Return the limits of a live process on this machine; of any other process, that nothing is known. Raises
    NoProcess where it is gone."""
    if process.kind != "live" or process.pid is None:
        return KernelLimits(None if process.machine.aligns_large else False)
    try:
        limits = kernel_text(f"/proc/{process.pid}/limits")
        status = kernel_text(f"/proc/{process.pid}/status")
        affinity = len(os.sched_getaffinity(process.pid))
    except (FileNotFoundError, ProcessLookupError) as error:
        raise NoProcess(f"process {process.pid} is gone") from error
    except OSError:
        return KernelLimits(_aligns_large(process.machine))
    overcommit = int(_text("/proc/sys/vm/overcommit_memory").strip() or _HEURISTIC)
    reasons: list[Fact] = []
    if overcommit == _STRICT:
        reasons.append(StrictOvercommit())
    if _soft_limit(limits, "Max data size") is not None:
        reasons.append(DataLimited())
    space, used = _soft_limit(limits, "Max address space"), _kibibytes(status, "VmSize")
    return KernelLimits(
        _aligns_large(process.machine),
        _all_memory() if overcommit == _HEURISTIC else None,
        max(space - used, 0) if space is not None and used is not None else None,
        # which of the two counts was changed in 2.34 and 2.35
        affinity if affinity == os.cpu_count() else None,
        tuple(reasons),
    )


def _aligns_large(machine: Machine) -> bool:
    """Mirrors __thp_get_unmapped_area(), which Linux 6.7 uses for all large anonymous mappings of 64-bit processes."""
    parts = os.uname().release.split(".")
    return machine.aligns_large and tuple(int(part) for part in parts[:2] if part.isdecimal()) >= (6, 7)


def _all_memory() -> int | None:
    """Return all RAM and swap in bytes: what vm.overcommit_memory = 0 refuses more than (__vm_enough_memory())."""
    text = _text("/proc/meminfo")
    memory, swap = _kibibytes(text, "MemTotal"), _kibibytes(text, "SwapTotal")
    return memory + (swap or 0) if memory is not None else None


def _text(path: str) -> str:
    try:
        return kernel_text(path)
    except OSError:
        return ""


def _kibibytes(text: str, name: str) -> int | None:
    """Return the value of a line "Name:   123 kB" in bytes."""
    for line in text.splitlines():
        words = line.split()
        if words[:1] == [f"{name}:"] and len(words) > 1 and words[1].isdecimal():
            return int(words[1]) << 10
    return None


def _soft_limit(limits: str, name: str) -> int | None:
    """Return a limit of /proc/PID/limits; None where there is none."""
    for line in limits.splitlines():
        words = line[len(name) :].split()
        if line.startswith(name) and words and words[0].isdecimal():
            return int(words[0])
    return None
