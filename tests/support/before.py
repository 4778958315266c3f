"""A real process before its first allocator call, as a model: its mappings, its break, and where its libc keeps
malloc's variables.

Nothing of gdbheap but the model is used here, so that no bug can sit on both sides.
"""

from __future__ import annotations

import functools
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from elftools.elf.elffile import ELFFile

from gdbheap.model.kernel import Kernel
from gdbheap.model.machine import ModelMalloc
from gdbheap.model.memory import ModelMemory
from gdbheap.model.process import ModelProcess
from gdbheap.model.ranges import SortedRanges
from gdbheap.model.trace import Player
from gdbheap.model.traits import Traits, traits
from support.this_machine import PAGE, highest_address

_KEY = 0x9E3779B97F4A7C15
"""Stands in for tcache_key until someone can tell what it is."""
_UNREADABLE = ("[vvar]", "[vvar_vclock]", "[vsyscall]")


def libc_version() -> str:
    """Return the version of this system's glibc, "2.36"."""
    return os.confstr("CS_GNU_LIBC_VERSION").split()[1]


@dataclass(frozen=True)
class Symbols:
    """Offsets in libc of malloc's static variables; `sizes` in bytes."""

    offsets: dict[str, int]
    sizes: dict[str, int]
    version: str


@functools.cache
def libc_symbols(path: str) -> Symbols:
    """Read the addresses of malloc's variables from the libc at `path`, or from its debug file if it is stripped."""
    with open(path, "rb") as file:
        elf = ELFFile(file)
        text = elf.get_section_by_name(".rodata").data()
        with_symbols = path
        if elf.get_section_by_name(".symtab") is None:
            build_id = elf.get_section_by_name(".note.gnu.build-id").data()[16:].hex()
            with_symbols = f"/usr/lib/debug/.build-id/{build_id[:2]}/{build_id[2:]}.debug"
    start = text.index(b"stable release version ") + len(b"stable release version ")
    version = text[start : start + 4].decode()
    offsets, sizes = {}, {}
    with open(with_symbols, "rb") as file:
        for symbol in ELFFile(file).get_section_by_name(".symtab").iter_symbols():
            if symbol.name in ("main_arena", "mp_", "tcache_key", "global_max_fast") and symbol["st_size"]:
                offsets[symbol.name] = symbol["st_value"]
                sizes[symbol.name] = symbol["st_size"]
    return Symbols(offsets, sizes, version)


def _aligns_huge() -> bool:
    return tuple(int(part) for part in platform.release().split(".")[:2]) >= (6, 7)


@dataclass(frozen=True)
class Surroundings:
    """What of the machine malloc goes by: how many processors there are, whether the kernel puts large mappings at
    addresses that huge pages could have (6.7), and how large its pages are."""

    cores: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    huge_alignment: bool = field(default_factory=_aligns_huge)
    page_size: int = PAGE


class Before:
    """`maps` is the text of /proc/PID/maps, `brk` the break; `readable` is what could be read then, the heap not
    counted. What is not given is as the libc on disk and this machine have it."""

    def __init__(
        self,
        pointer_size: int,
        maps: str,
        brk: int,
        symbols: Symbols | None = None,
        shape: Traits | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        self.pointer_size = pointer_size
        self.surroundings = surroundings or Surroundings()
        self.brk = brk
        self.vmas: list[tuple[int, int, str]] = []
        self.readable = SortedRanges()
        for line in maps.splitlines():
            fields = line.split(maxsplit=5)
            start, end = (int(part, 16) for part in fields[0].split("-"))
            name = fields[5] if len(fields) > 5 else ""
            self.vmas.append((start, end, name))
            if fields[1].startswith("r") and name not in (*_UNREADABLE, "[heap]"):
                self.readable.add(start, end)
        libc, base = next((name, start) for start, _, name in self.vmas if "/libc.so" in name or "/libc-2" in name)
        self.symbols = symbols or libc_symbols(libc)
        self.traits: Traits = shape or traits(self.symbols.version, pointer_size)
        self.addresses = {name: base + offset for name, offset in self.symbols.offsets.items()}
        assert self.symbols.sizes["main_arena"] == self.traits.arena_size
        assert self.symbols.sizes["mp_"] == self.traits.mp_size()

    def player(self, page_of: Callable[[int], bytes | None], tunables: Mapping[str, int] | None = None) -> Player:
        """Return a model of the process. `page_of` gives the bytes of pages that were there before (None: of no
        other)."""
        memory = ModelMemory(self.pointer_size, page_of)
        stack, stack_end = next((start, end) for start, end, name in self.vmas if name == "[stack]")
        limit = highest_address(self.pointer_size, stack_end)
        mmap_base = max(end for _, end, _ in self.vmas if end <= stack)
        aligns = self.pointer_size == 8 and self.surroundings.huge_alignment
        page = self.surroundings.page_size
        kernel = Kernel(memory, self.brk, mmap_base, limit, huge_alignment=aligns, page_size=page)
        for start, end, name in self.vmas:
            if name != "[vsyscall]":
                kernel.taken.add(start, end)
        for start, end in self.readable:
            memory.accessible.add(start, end)
        if self.brk % page:
            # the dynamic linker has put the tunables' text there
            memory.accessible.add(self.brk & -page, (self.brk & -page) + page)
        key = _KEY & ((1 << 8 * self.pointer_size) - 1)
        machine = ModelMalloc(self.traits, memory, kernel, self.addresses["main_arena"], self.addresses["mp_"], key)
        machine.cores = self.surroundings.cores
        return Player(ModelProcess(machine, tunables))
