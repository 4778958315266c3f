"""The bounds that the kernel keeps of a process's memory (struct mm_struct), and its stack limit, each with how it
is known."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from gdbheap.errors import HeapError, NoProcess
from gdbheap.files import kernel_text
from gdbheap.lazy import dataclass
from gdbheap.process.address_space import AddressSpace
from gdbheap.process.images.initial_stack import initial_stack
from gdbheap.process.process import Module, Process

# /proc/PID/stat's fields by number, counted from 1 (Documentation/filesystems/proc.rst).
_STAT = {
    "start_code": 26,
    "end_code": 27,
    "start_stack": 28,
    "start_data": 45,
    "end_data": 46,
    "start_brk": 47,
    "arg_start": 48,
    "arg_end": 49,
    "env_start": 50,
    "env_end": 51,
}
NAMES = (*_STAT, "brk", "mmap_top", "mmap_bottom")

# What `stack_limit` is where there is none (RLIM_INFINITY).
UNLIMITED = (1 << 64) - 1

# How a bound was learnt.
STAT = "stat"
PROGRAM_HEADERS = "program headers"
HEAP_MAPPING = "heap mapping"
NO_HEAP = "no heap mapping"
BEHIND_BSS = "behind the bss"
INITIAL_STACK = "initial stack"
LIBC = "libc"
MAPPINGS = "mappings"

# personality(2): mappings are placed from low addresses to high ones.
_ADDR_COMPAT_LAYOUT = 0x0200000


@dataclass(frozen=True)
class MM:
    """`bounds` by the kernel's names (start_code, ..., brk), those of NAMES that are known; `sources` tells how each
    was learnt.

    `brk` from HEAP_MAPPING or BEHIND_BSS is the break rounded up to a page; where nothing is mapped for it, NO_HEAP,
    it is still within start_brk's page. `mmap_top` is where the highest mapping below the stack ends that is neither
    the program's nor brk's: mmap_base is there or somewhat above. Where `bottom_up` (the kernel places mappings
    upwards, its legacy layout; None: not known), it is at `mmap_bottom`, the start of the lowest, or somewhat below.
    `stack_limit` is the soft limit in bytes (UNLIMITED; None: not known).
    """

    bounds: Mapping[str, int]
    sources: Mapping[str, str]
    stack_limit: int | None
    bottom_up: bool | None = None

    def get(self, name: str) -> int | None:
        """Return a bound, or None where it is not known."""
        return self.bounds.get(name)


def read_mm(process: Process, brk: int | None = None) -> MM:
    """Return what can be known of the process: of a live one on this machine all, of others what its mappings and
    headers tell.

    `brk` is the break as libc knows it, if it does. A live process that is gone raises NoProcess.
    """
    found: dict[str, tuple[int, str]] = {}
    if process.main is not None:
        found.update((name, (value, BEHIND_BSS)) for name, value in _heap_behind_bss(process, process.main))
    found.update((name, (value, HEAP_MAPPING)) for name, value in _heap_bounds(process.address_space))
    found.update((name, (value, INITIAL_STACK)) for name, value in initial_stack(process).items())
    if process.main is not None:
        found.update((name, (value, PROGRAM_HEADERS)) for name, value in code_bounds(process.main).items())
    limit = bottom_up = None
    if process.kind == "live" and process.pid is not None:
        found.update((name, (value, STAT)) for name, value in parse_stat(_read(process.pid, "stat")).items())
        limit = parse_stack_limit(_read(process.pid, "limits"))
        bottom_up = _is_bottom_up(process.pid)
        if "start_brk" in found:
            found.setdefault("brk", (found["start_brk"][0], NO_HEAP))
    found.update((name, (value, MAPPINGS)) for name, value in _mmap_end(process, bool(bottom_up)))
    if brk is not None:
        found["brk"] = (brk, LIBC)
    bounds = {name: found[name][0] for name in NAMES if name in found}
    return MM(bounds, {name: found[name][1] for name in bounds}, limit, bottom_up)


def parse_stat(text: str) -> dict[str, int]:
    """Return the bounds of /proc/PID/stat by name; without those that the kernel hides from us. Raise HeapError
    where it is no stat."""
    # The command may hold blanks and parentheses: the last one ends it, and the next field is number 3.
    fields = text.rpartition(")")[2].split()
    if len(fields) < 50:
        raise HeapError(f"this is no /proc/PID/stat: {text[:80]!r}")
    try:
        values = {name: int(fields[number - 3]) for name, number in _STAT.items()}
    except ValueError as error:
        raise HeapError(f"this is no /proc/PID/stat: {error}") from error
    # Hidden ones read 0, the bounds of the code 1.
    return {name: value for name, value in values.items() if value > 1}


def parse_stack_limit(text: str) -> int | None:
    """Return the soft limit of the stack in bytes out of /proc/PID/limits; None where it is not in the text."""
    return _parse_limit(text, ["Max", "stack", "size"])


def address_space_limit(process: Process) -> int | None:
    """Return the soft limit on the bytes of all mappings (RLIMIT_AS); None where there is none, or nobody here can
    tell."""
    if process.kind != "live" or process.pid is None:
        return None
    limit = _parse_limit(_read(process.pid, "limits"), ["Max", "address", "space"])
    return None if limit == UNLIMITED else limit


def data_limit(process: Process) -> tuple[int, int] | None:
    """Return the soft limit on the bytes of private writable memory (RLIMIT_DATA) and how many of them are taken
    (VmData); None where there is no limit, or nobody here can tell."""
    if process.kind != "live" or process.pid is None:
        return None
    limit = _parse_limit(_read(process.pid, "limits"), ["Max", "data", "size"])
    used = re.search(r"^VmData:\s*(\d+) kB$", _read(process.pid, "status"), re.MULTILINE)
    return None if limit in (None, UNLIMITED) or used is None else (limit or 0, int(used[1]) << 10)


def _parse_limit(text: str, name: list[str]) -> int | None:
    for line in text.splitlines():
        words = line.split()
        if words[:3] == name and len(words) > 3:
            return UNLIMITED if words[3] == "unlimited" else int(words[3]) if words[3].isdecimal() else None
    return None


def code_bounds(main: Module) -> dict[str, int]:
    """Return start_code, end_code, start_data and end_data as the kernel works them out (mirrors load_elf_binary()
    in fs/binfmt_elf.c: code is what may be executed, "data" begins at the highest segment and ends where the
    file's last byte is)."""
    code = [segment for segment in main.segments if "x" in segment.permissions]
    bounds = {}
    if code:
        bounds["start_code"] = min(segment.start for segment in code)
        bounds["end_code"] = max(segment.file_end for segment in code)
    if main.segments:
        bounds["start_data"] = max(segment.start for segment in main.segments)
        bounds["end_data"] = max(segment.file_end for segment in main.segments)
    return bounds


def _heap_bounds(space: AddressSpace) -> Iterator[tuple[str, int]]:
    heap = [vma for vma in space if vma.path == "[heap]"]
    if heap:
        yield "start_brk", heap[0].start
        yield "brk", heap[-1].end


def _heap_behind_bss(process: Process, main: Module) -> Iterator[tuple[str, int]]:
    """Yield what can be told where no mapping is called the heap, as in a core of a process whose addresses were not
    randomized: then brk begins at the page behind the program's bss, and its mapping may be one with the bss."""
    start = process.page_after(max((segment.end for segment in main.segments), default=0))
    vma = process.address_space.find(start)
    if start and vma is not None and vma.writable and not vma.path:
        yield "start_brk", start
        yield "brk", vma.end


def _mmap_end(process: Process, bottom_up: bool) -> Iterator[tuple[str, int]]:
    """Yield the end of the mmap area that is next to mmap_base: its top, or in the legacy layout its bottom."""
    stack = next((vma for vma in process.address_space if vma.path == "[stack]"), None)
    if stack is None or not process.address_space.known:
        return
    segments = process.main.segments if process.main is not None else ()
    first = process.page_of(min((each.start for each in segments), default=0))
    last = max((each.end for each in segments), default=0)
    # A huge stack limit puts mmap_base below the program and its brk (mirrors mmap_base() in arch/x86/mm/mmap.c).
    area = [
        vma
        for vma in process.address_space
        if vma.end <= stack.start and vma.path != "[heap]" and not first <= vma.start < last
    ]
    if area and bottom_up:
        yield "mmap_bottom", area[0].start
    elif area:
        yield "mmap_top", area[-1].end


def _is_bottom_up(pid: int) -> bool | None:
    """Whether the kernel places mappings upwards (mirrors mmap_is_legacy() in arch/x86/mm/mmap.c; the sysctl may
    have changed since the process began); None where it does not tell us."""
    try:
        personality = int(_read(pid, "personality"), 16)
        return bool(personality & _ADDR_COMPAT_LAYOUT) or kernel_text("/proc/sys/vm/legacy_va_layout").strip() == "1"
    except (NoProcess, OSError, ValueError):
        return None


def _read(pid: int, name: str) -> str:
    try:
        return kernel_text(f"/proc/{pid}/{name}")
    except OSError as error:
        raise NoProcess(f"cannot read /proc/{pid}/{name}: {error.strerror}") from error
