"""The address space of a target that does not tell its mappings: what the auxiliary vector and the dynamic linker's
list tell of modules, and what pointers lead to that can be read. There may be more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gdbheap.errors import MemoryFault
from gdbheap.process.address_space import FOUND, VMA, AddressSpace
from gdbheap.process.images.auxv import AT_BASE, AT_PHDR, AT_RANDOM, AT_SYSINFO_EHDR
from gdbheap.process.images.elf_headers import (
    HEADER_SIZE,
    PT_INTERP,
    PT_LOAD,
    ProgramHeader,
    parse_elf_header,
    parse_program_headers,
    permissions_of,
)
from gdbheap.process.images.elf_image import MAX_SEGMENTS
from gdbheap.process.images.link_map import link_maps
from gdbheap.process.memory import WORD_FORMATS, readable_pieces, text_at
from gdbheap.process.process import Module, Process

_LONGEST_PATH = 4096
# No mapping begins lower (vm.mmap_min_addr).
_LOWEST = 1 << 16
# So many pages are tried: of memory that pointers lead to, and where they lead to none.
_MOST_TRIED, _MOST_MISSES = 1 << 16, 1 << 12
# The ends of a mapping are felt for in steps of up to so many pages.
_LONGEST_STEP = 16
# Kernels leave at least so much free below the main stack's end (MIN_GAP in arch/x86/mm/mmap.c); a stack of the usual
# size.
_GAP, _USUAL_STACK = 128 << 20, 8 << 20
# So many bytes are searched for pointers.
_MOST_SCANNED = 16 << 20


def find_space(process: Process, program: str) -> AddressSpace:
    """Return what is found, without anything where it would not be whole: the program (its file is `program`) cannot
    be read, or a mapping is too large to be felt out.

    Of `process` the memory, the threads and the auxiliary vector are needed. Where permissions are not those that a
    module's file asks for, memory is taken to be writable.
    """
    modules = _modules(process, program)
    if not modules:
        return AddressSpace((), FOUND)
    search = _Search(process, modules)
    search.add_main_stack()
    search.follow([each.stack_pointer for each in process.threads])
    search.follow([each.thread_pointer for each in process.threads if each.thread_pointer])
    search.read_on()
    if search.tried >= _MOST_TRIED:
        return AddressSpace((), FOUND)
    return AddressSpace([*modules, *search.found], FOUND, inferred=(each.start for each in search.found))


def _modules(process: Process, program: str) -> list[VMA]:
    """Return the mappings of the program, the dynamic linker and what that has loaded."""
    header = process.page_of(process.auxv.get(AT_PHDR, 0))
    main = list(_segments(process, header)) if header else []
    if not main:
        return []
    base = header - _first(process, main)
    found = list(_vmas(process, main, base, program))
    interpreter = next((each for each in main if each.kind == PT_INTERP), None)
    linker = process.auxv.get(AT_BASE, 0)
    if interpreter is not None and linker:
        found += _vmas(process, list(_segments(process, linker)), linker, _text(process, base + interpreter.address))
    vdso = process.auxv.get(AT_SYSINFO_EHDR, 0)
    found += _vmas(process, list(_segments(process, vdso)), vdso, "[vdso]") if vdso else []
    space = AddressSpace(found, FOUND)
    loaded = replace(process, address_space=space, main=Module(program, None, base))
    for at in link_maps(loaded):
        try:
            start, name = process.words.read_many(at, 2)
        except MemoryFault:
            break
        path = _text(process, name)
        if start and path.startswith("/") and space.find(start) is None:
            found += _vmas(process, list(_segments(process, start)), start, path)
    return _apart(found)


def _segments(process: Process, header: int) -> Iterator[ProgramHeader]:
    """Yield the program headers of the ELF header at that address; none where there is no such header."""
    try:
        elf = parse_elf_header(process.memory.read(header, HEADER_SIZE))
        if elf is not None and elf.pointer_size == process.pointer_size and elf.count <= MAX_SEGMENTS:
            yield from parse_program_headers(elf, process.memory.read(header + elf.table, elf.entry * elf.count))
    except (MemoryFault, OverflowError):
        return


def _first(process: Process, segments: list[ProgramHeader]) -> int:
    return next((process.page_of(each.address) for each in segments if each.kind == PT_LOAD), 0)


def _vmas(process: Process, segments: list[ProgramHeader], base: int, path: str) -> Iterator[VMA]:
    """Yield a module's mappings: what is the file's, and the bss behind it."""
    for each in segments:
        start, end = base + each.address, base + each.address + each.size
        first = process.page_of(start)
        of_file = process.page_after(start + each.file_size) if each.file_size else first
        permissions = f"{permissions_of(each.flags)}p"
        if each.kind == PT_LOAD and 0 <= start < end <= 1 << 64:
            if each.file_size:
                yield VMA(first, of_file, permissions, process.page_of(each.offset), path=path)
            if of_file < process.page_after(end):
                yield VMA(of_file, process.page_after(end), permissions)


def _apart(vmas: list[VMA]) -> list[VMA]:
    """Return the mappings without those that overlap an earlier one: no honest files' do."""
    kept: list[VMA] = []
    for each in sorted(vmas, key=lambda vma: vma.start):
        if not kept or each.start >= kept[-1].end:
            kept.append(each)
    return kept


def _text(process: Process, address: int) -> str:
    return text_at(process.memory, address, _LONGEST_PATH).decode(errors="surrogateescape")


class _Search:
    """Memory that can be read, found by the pointers to it; `tried` is how many pages were read for that.

    Below the main stack's used part nothing is read: the kernel would make the stack grow down to there.
    """

    def __init__(self, process: Process, known: list[VMA]) -> None:
        self._process = process
        self._known = AddressSpace(known, FOUND)
        self._pending = [(each.start, each.end) for each in known if each.writable]
        self._seen: set[int] = set()
        self._misses = 0
        self._closed = range(0)
        self.found: list[VMA] = []
        self.tried = 0

    def add_main_stack(self) -> None:
        """Find the main stack from its stack pointer up (else from the random bytes above all frames)."""
        random, red_zone = self._process.auxv.get(AT_RANDOM, 0), self._process.machine.red_zone
        if not random or self._known.find(random) is not None:
            return
        below, _ = self._known.around(random)
        pointers = [each.stack_pointer for each in self._process.threads if each.stack_pointer <= random]
        lowest = max((each for each in pointers if below is None or each >= below.end), default=random)
        start = self._process.page_of(lowest - red_zone if lowest < random else random)
        # A module this near tells of an emulator.
        is_kernels = below is None or below.end <= start - _GAP
        self._closed = range(start - (_GAP if is_kernels else _USUAL_STACK), start)
        self._add(start, self._process.page_of(random), "[stack]")

    def read_on(self) -> None:
        """Follow the pointers in all that is known, and in what they lead to."""
        letter, left = WORD_FORMATS[self._process.pointer_size], _MOST_SCANNED
        while self._pending and left > 0:
            start, end = self._pending.pop(0)
            for _, piece in readable_pieces(self._process.memory, start, min(end, start + left)):
                left -= len(piece)
                whole = len(piece) - len(piece) % self._process.pointer_size
                self.follow(sorted(set(piece[:whole].cast(letter))))

    def follow(self, words: list[int]) -> None:
        """Find the mappings that these pointers lead to."""
        machine = self._process.machine
        for word in words:
            page = self._process.page_of(word)
            if word < _LOWEST or page in self._seen or machine.is_kernels(word) or not machine.is_canonical(word):
                continue
            self._seen.add(page)
            if self._misses >= _MOST_MISSES or self.tried >= _MOST_TRIED:
                return
            if self._known.find(page) is None and not any(page in each for each in self.found):
                self._feel_out(page)

    def _feel_out(self, page: int) -> None:
        if not self._can_be_read(page):
            self._misses += 1
            return
        below, _ = AddressSpace([*self._known, *self.found], FOUND).around(page)
        self._add(self._edge(page, -self._process.page_size, _LOWEST if below is None else below.end), page, "")

    def _add(self, start: int, page: int, path: str) -> None:
        """Add what lies from `start`, over this page, to where no more can be read."""
        _, above = AddressSpace([*self._known, *self.found], FOUND).around(page)
        size = self._process.page_size
        last = self._edge(page, size, (self._process.machine.mask if above is None else above.start) - size)
        self.found.append(VMA(start, last + size, "rw-?", path=path))
        self._pending.append((start, last + size))

    def _edge(self, page: int, step: int, limit: int) -> int:
        """Return the last page in this direction, up to `limit`, that can be read."""
        pages = 1
        while pages and self.tried < _MOST_TRIED:
            following = page + pages * step
            if (following <= limit if step > 0 else following >= limit) and self._can_be_read(following):
                page, pages = following, min(2 * pages, _LONGEST_STEP)
            else:
                pages //= 2
        return page

    def _can_be_read(self, page: int) -> bool:
        if page in self._closed:
            return False
        self.tried += 1
        try:
            return bool(self._process.memory.read(page, 1))
        except (MemoryFault, OverflowError):
            return False
