"""A core file without gdb: its memory, mappings, threads, signals and auxiliary vector, from plain structs.

Written for the kernel's cores (fs/binfmt_elf.c) and for those of gdb's generate-core-file, which differ: gdb writes
page offsets in bytes, leaves unmodified file mappings out, and marks every segment readable.
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from gdbheap.elf.core_memory import CoreMemory, CoreSegment, MappedFile
from gdbheap.elf.core_notes import Notes, read_notes
from gdbheap.elf.core_remarks import MAX_HEADERS, remarks, remarks_on_filter, remarks_on_missing
from gdbheap.elf.modules import find_modules, main_module
from gdbheap.elf.unread_stacks import without_unread
from gdbheap.elf.unwritten import mark_unwritten, without_bss
from gdbheap.errors import HeapError
from gdbheap.files import open_regular
from gdbheap.lazy import dataclass
from gdbheap.machine.machine import Machine
from gdbheap.machine.machines import machine_name, machine_of_elf, machine_of_size
from gdbheap.process.address_space import UNTOLD, VMA, AddressSpace
from gdbheap.process.fact import Fact
from gdbheap.process.images.auxv import AT_ENTRY, AT_PHDR, AT_RANDOM, AT_SYSINFO_EHDR, told_page_size
from gdbheap.process.images.elf_headers import (
    ET_CORE,
    HEADER_SIZE,
    PF_R,
    PF_W,
    PF_X,
    PT_LOAD,
    PT_NOTE,
    ElfHeader,
    ProgramHeader,
    parse_elf_header,
    parse_program_headers,
    permissions_of,
)
from gdbheap.process.memory import SMALLEST_PAGE
from gdbheap.process.process import Module, Process, Thread
from gdbheap.process.signal_info import SignalInfo

if TYPE_CHECKING:
    from io import FileIO

_MINIDUMP = b"MDMP"
_PN_XNUM = 0xFFFF
_PIECE = 1 << 20
# Beyond it, with five levels of page tables, there is only the kernel's; and vsyscall.
_USER_END = 1 << 56
_LAST_PAGE = (1 << 64) - SMALLEST_PAGE

# How far above the executable the kernel may put the start of brk: arch_randomize_brk() of x86-64 since Linux 5.18 (32
# MiB before).
_BRK_GAP = 1 << 30
# Whatever lies so near below the vdso is one of the mappings: the kernel puts programs further away.
_AMONG_MAPPINGS = 1 << 28


@dataclass(frozen=True)
class CoreFile:
    """An opened core. `machine` is the machine's name, `known` its value where gdbheap knows it (else its threads are
    not read), `pid` the process's own id. `signals` and `vectors` (words of vector registers that could be pointers)
    are by lwp, the first thread's signal is why the process died. `missing`
    are the ranges that a truncated core, or gdb, has lost, `unwritten` those that are taken for zeros because the
    process never wrote there, `notes` what a reader must know about all of this."""

    path: str
    machine: str
    known: Machine | None
    pointer_size: int
    memory: CoreMemory
    address_space: AddressSpace
    threads: tuple[Thread, ...]
    signals: Mapping[int, SignalInfo]
    vectors: Mapping[int, Sequence[tuple[str, int]]]
    auxv: Mapping[int, int]
    files: tuple[MappedFile, ...]
    command: str
    arguments: str
    pid: int | None
    by_gdb: bool
    missing: tuple[tuple[int, int], ...]
    unwritten: tuple[tuple[int, int], ...]
    holds_written: bool
    notes: tuple[Fact, ...]

    def modules(self) -> tuple[Module, ...]:
        """Return the ELF files that were mapped, each with the place where the very same file can be opened here."""
        return find_modules(self.memory, self.address_space, lambda path, build_id: self.memory.backing_file(path))

    def process(self) -> Process:
        """Return the process as it was when it died."""
        modules = self.modules()
        process = Process(
            kind="core",
            machine=self.known or machine_of_size(self.pointer_size),
            memory=self.memory,
            address_space=self.address_space,
            threads=self.threads,
            modules=modules,
            main=main_module(modules, self.address_space, self.auxv.get(AT_ENTRY)),
            auxv=self.auxv,
            notes=self.notes,
            holds_written=self.holds_written,
        )
        return replace(
            process,
            assumed_zeros=tuple(without_bss(self.unwritten, process)),
            stand_ins=tuple((each.start, each.end, each.path) for each in self.memory.stood_in()),
            left_out=tuple(self._left_out()),
        )

    def _left_out(self) -> Iterator[tuple[int, int, str]]:
        for vma in self.address_space:
            if vma.permissions == UNTOLD and next(self.memory.held_spans(vma.start, vma.end), None) is None:
                yield vma.start, vma.end, vma.path


def open_core(
    path: str,
    locate: Callable[[str], str] = lambda path: path,
    fetch: Callable[[str], str | None] = lambda build_id: None,
) -> CoreFile:
    """Return the core at `path`; `locate` turns a file's path in the core into one here, `fetch` brings one here by its
    build-id. Raise HeapError where it is no core."""
    file, header, claimed = _open(path)
    segments, note_ranges = _program_headers(file.fileno(), os.fstat(file.fileno()).st_size, header)
    if not segments:
        why = "it is cut off" if header.count < claimed else "no PT_LOAD segment"
        raise HeapError(f"{path} holds no memory: {why}")
    machine = machine_of_elf(header.machine, header.pointer_size)
    notes = read_notes(file.fileno(), note_ranges, machine, header.pointer_size)
    # Where not even written memory was dumped (coredump_filter), a file mapping may have been written as well.
    dumped = any(segment.flags & PF_W and segment.stored for segment in segments)
    segments = mark_unwritten(segments, notes)
    cut_off = tuple(_missing(segments))
    segments = without_unread(file.fileno(), segments, notes, header.pointer_size)
    missing = tuple(_missing(segments))
    memory = CoreMemory(file, segments, notes.files if dumped else (), locate, fetch)
    return CoreFile(
        path=path,
        known=machine,
        machine=machine.name if machine else machine_name(header.machine, header.pointer_size),
        pointer_size=header.pointer_size,
        memory=memory,
        address_space=_address_space(segments, notes, memory, None if machine is None else machine.vsyscall),
        threads=tuple(notes.threads),
        signals=notes.signals,
        vectors=notes.vectors,
        auxv=notes.auxv,
        files=tuple(notes.files),
        command=notes.command,
        arguments=notes.arguments,
        pid=notes.pid,
        by_gdb=notes.by_gdb,
        missing=missing,
        unwritten=tuple((each.start, each.end) for each in segments if each.unwritten),
        holds_written=dumped,
        notes=(
            *remarks(header, claimed, notes, machine is not None),
            *remarks_on_missing(sum(segment.stored for segment in segments), cut_off, missing),
            *remarks_on_filter(memory, dumped),
        ),
    )


def _open(path: str) -> tuple[FileIO, ElfHeader, int]:
    """Return the core's file, which stays open as long as its memory is used, and what _read_header() says of it."""
    try:
        file = open_regular(path)
        return file, *_read_header(file.fileno(), os.fstat(file.fileno()).st_size, path)
    except OSError as error:
        raise HeapError(f"cannot read {path}: {error.strerror}") from error


def _read_header(core: int, size: int, path: str) -> tuple[ElfHeader, int]:
    """Return the ELF header, its `count` of program headers corrected (PN_XNUM, a table that the file's end cuts
    off), and the count that the core claims; raise HeapError."""
    data = os.pread(core, HEADER_SIZE, 0)
    if data.startswith(_MINIDUMP):
        raise HeapError(
            f"{path} is a minidump (Breakpad's, Crashpad's): it holds registers, stacks, names of libraries, and not "
            "the heap nor libc's notes on it, which are what gdbheap reads. minidump-stackwalk shows its stacks; a "
            "core has the rest (`ulimit -c unlimited`, where the program is started)"
        )
    if len(data) < 52 or data[:4] != b"\x7fELF" or data[4] not in (1, 2):
        raise HeapError(f"{path} is no core file (it does not begin as an ELF file does)")
    if data[5] != 1:
        raise HeapError(f"{path} is of a big-endian machine: gdbheap reads little-endian ones")
    if int.from_bytes(data[16:18], "little") != ET_CORE:
        raise HeapError(f"{path} is an ELF file but no core")
    if data[4] == 2 and len(data) < HEADER_SIZE:
        raise HeapError(f"{path} ends within its header")
    header = parse_elf_header(data)
    if header is None or not header.entry or header.table >= size:
        raise HeapError(f"{path} holds no program headers")
    claimed = header.count if header.count != _PN_XNUM else _extended_count(core, header)
    return replace(header, count=min(claimed, (size - header.table) // header.entry, MAX_HEADERS)), claimed


def _extended_count(core: int, header: ElfHeader) -> int:
    """Return the number of program headers of a core that has more than 65534: sh_info of section 0, which stands at
    the file's very end; else, in a truncated core, from where the first segment (the notes, right after the
    table) begins."""
    wide = header.pointer_size == 8
    try:
        data = os.pread(core, 64 if wide else 40, header.sections)
        if len(data) == (64 if wide else 40):
            return int(struct.unpack_from("<I", data, 44 if wide else 28)[0])
        first = next(parse_program_headers(header, os.pread(core, header.entry, header.table)))
    except (OSError, OverflowError, StopIteration):
        return _PN_XNUM
    return int(max(0, first.offset - header.table) // header.entry)


def _program_headers(core: int, size: int, header: ElfHeader) -> tuple[list[CoreSegment], list[tuple[int, int]]]:
    """Return the segments, and (offset, size) of the notes as far as the file has them."""
    segments, notes, top = [], [], 1 << (8 * header.pointer_size)
    for each in _table(core, header):
        present = max(0, min(each.file_size, size - each.offset))
        if each.kind == PT_NOTE and present:
            notes.append((each.offset, present))
        elif each.kind == PT_LOAD:
            start = each.address
            end = min(start + max(each.size, each.file_size), top if start >= _USER_END else min(top, _USER_END))
            if start < end:
                stored = min(each.file_size, end - start)
                flags = each.flags & (PF_R | PF_W | PF_X)
                segments.append(CoreSegment(start, end, each.offset, stored, min(present, stored), flags))
    return segments, notes


def _table(core: int, header: ElfHeader) -> Iterator[ProgramHeader]:
    """Yield the program headers; a sparse file may claim a table that would fill all memory, so it is read piece by
    piece."""
    step = _PIECE // header.entry
    for first in range(0, header.count, step):
        count = min(step, header.count - first)
        yield from parse_program_headers(
            header, os.pread(core, header.entry * count, header.table + header.entry * first)
        )


def _address_space(segments: list[CoreSegment], notes: Notes, memory: CoreMemory, vsyscall: int | None) -> AddressSpace:
    page = told_page_size(notes.auxv) or SMALLEST_PAGE
    vmas = [_with_file_permissions(vma, memory, page) for vma in _vmas(segments, notes)]
    vmas = list(_apart(sorted(vmas, key=lambda vma: vma.start)))
    inferred = _inferred_names(vmas, notes)
    names = {**inferred, **({vsyscall: "[vsyscall]"} if vsyscall is not None else {})}
    return AddressSpace(
        (replace(vma, path=names[vma.start]) if vma.start in names else vma for vma in vmas),
        source="core",
        inferred=inferred,
    )


def _apart(vmas: list[VMA]) -> Iterator[VMA]:
    """Yield the mappings, each at most to where the next begins, and the last page none's: no process has two at one
    place, nor what would end where no number of 64 bits does, whatever a core claims."""
    for vma, following in zip_longest(vmas, vmas[1:]):
        end = min(vma.end, _LAST_PAGE if following is None else following.start)
        if vma.start < end:
            yield vma if end == vma.end else replace(vma, end=end)


def _vmas(segments: list[CoreSegment], notes: Notes) -> Iterator[VMA]:
    """Yield a VMA for each segment, with the file that NT_FILE names for it, and for each file mapping that is in no
    segment."""
    files = sorted(notes.files, key=lambda file: file.start)
    starts = [file.start for file in files]
    for segment in segments:
        index = bisect_right(starts, segment.start) - 1
        file = files[index] if index >= 0 and segment.start < files[index].end else None
        offset = file.offset + segment.start - file.start if file else 0
        permissions = _permissions(segment, notes.by_gdb and file is None)
        yield VMA(segment.start, segment.end, permissions, offset, path=file.path if file else "")
    ends = sorted((segment.start, segment.end) for segment in segments)
    begins = [start for start, _ in ends]
    for file in files:
        index = bisect_right(begins, file.start)
        in_segment = (index and ends[index - 1][1] > file.start) or (index < len(begins) and begins[index] < file.end)
        if not in_segment:
            yield VMA(file.start, file.end, UNTOLD, file.offset, path=file.path)


def _permissions(segment: CoreSegment, by_gdb: bool) -> str:
    read = "r" if segment.flags & PF_R else "-"
    if by_gdb and segment.flags == PF_R:
        # gdb marks a PROT_NONE mapping so, too.
        read = "?"
    return read + ("w" if segment.flags & PF_W else "-") + ("x" if segment.flags & PF_X else "-") + "?"


def _with_file_permissions(vma: VMA, memory: CoreMemory, page: int) -> VMA:
    """Return the VMA with the permissions that its ELF file asks for, where the core tells none: gdb leaves out only
    what the process has not changed."""
    header = memory.header_of(vma.path)
    if vma.permissions != UNTOLD or header is None:
        return vma
    facts = memory.file_facts(vma.path)
    base = header - facts.first_address
    index = bisect_left(facts.loads, (vma.start - base + page,)) - 1
    if index < 0:
        return vma
    address, _, size, flags = facts.loads[index]
    # The loader also maps what lies between two segments, and then takes all access away from it.
    if vma.end > -(-(base + address + size) // page) * page:
        return vma
    return VMA(vma.start, vma.end, permissions_of(flags) + "?", vma.offset, path=vma.path)


def _inferred_names(vmas: list[VMA], notes: Notes) -> dict[int, str]:
    """Return the bracketed names that the auxiliary vector gives away, by the VMA's start."""
    space = AddressSpace(vmas)
    names = {}
    vdso = space.find(notes.auxv.get(AT_SYSINFO_EHDR, 0))
    if vdso is not None and not vdso.path:
        names[vdso.start] = "[vdso]"
    # The kernel puts AT_RANDOM's bytes on the first stack of the process.
    stack = space.find(notes.auxv.get(AT_RANDOM, 0))
    if stack is not None and not stack.path:
        names[stack.start] = "[stack]"
    heap = _heap(vmas, _executable(tuple(notes.files), notes.auxv), notes.auxv.get(AT_SYSINFO_EHDR, 0))
    if heap is not None and heap.start not in names:
        names[heap.start] = "[heap]"
    return names


def _heap(vmas: list[VMA], executable: str, vdso: int) -> VMA | None:
    """Return the first anonymous mapping that stands apart above the executable, within the kernel's brk offset: its
    brk area.

    With ASLR off brk follows the bss without a gap and cannot be told from it: None. So it is for a program run
    through its loader, and for a static PIE: these lie among the mappings, below the vdso, and their brk elsewhere.
    """
    ends = [vma.end for vma in vmas if executable and vma.path == executable]
    if not ends:
        return None
    end = max(ends)
    if 0 <= vdso - end < _AMONG_MAPPINGS:
        return None
    for vma in vmas:
        if vma.start < end:
            continue
        if vma.path or not vma.writable or vma.start - end > _BRK_GAP:
            return None
        if vma.start > end:
            return vma
        end = vma.end
    return None


def _executable(files: tuple[MappedFile, ...], auxv: Mapping[int, int]) -> str:
    """Return the path of the mapped file that holds the program headers or the entry point; "" where none does."""
    for key in (AT_PHDR, AT_ENTRY):
        address = auxv.get(key, 0)
        for file in files:
            if file.start <= address < file.end:
                return file.path
    return ""


def _missing(segments: list[CoreSegment]) -> Iterator[tuple[int, int]]:
    for segment in segments:
        if segment.present < segment.stored:
            yield segment.start + segment.present, segment.start + segment.stored
