"""A core's notes: threads and registers, the command, the signals, the auxiliary vector, the mapped files."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field

from gdbheap.elf.core_memory import MappedFile
from gdbheap.elf.core_vectors import vector_words
from gdbheap.lazy import dataclass
from gdbheap.machine.machine import Machine
from gdbheap.process.images.auxv import parse_auxv
from gdbheap.process.memory import WORD_FORMATS
from gdbheap.process.process import Thread
from gdbheap.process.signal_info import SignalInfo, parse_siginfo

# Types of notes, from linux/elf.h; NT_GDB_TDESC from gdb's include/elf/common.h (to gdb 10 its cores have none).
NT_PRSTATUS = 1
NT_PRPSINFO = 3
NT_AUXV = 6
NT_SIGINFO = 0x53494749
NT_FILE = 0x46494C45
NT_GDB_TDESC = 0xFF000000

_WANTED = frozenset({NT_PRSTATUS, NT_PRPSINFO, NT_AUXV, NT_SIGINFO, NT_FILE, NT_GDB_TDESC})

# pr_cursig of elf_prstatus, behind the three ints of elf_siginfo (linux/elfcore.h).
_CURRENT_SIGNAL = 12

# The notes of a process with a hundred thousand threads stay below these.
MAX_THREADS = 1 << 17
_MAX_NOTES = 1 << 20
_MAX_BODY = 64 << 20
# vm.max_map_count may be raised to a million.
_MAX_FILES = 1 << 20


@dataclass
class Notes:
    """All that the notes tell. `signals` are by lwp (the kernel writes one, for the thread that died; gdb one for
    each thread). `pid` is the process's own id. `by_gdb` says that gdb wrote the core. `vectors` are the words of
    vector registers that could be pointers, by lwp."""

    threads: list[Thread] = field(default_factory=list)
    command: str = ""
    arguments: str = ""
    pid: int | None = None
    signals: dict[int, SignalInfo] = field(default_factory=dict)
    auxv: dict[int, int] = field(default_factory=dict)
    files: list[MappedFile] = field(default_factory=list)
    by_gdb: bool = False
    vectors: dict[int, list[tuple[str, int]]] = field(default_factory=dict)


def read_notes(core: int, ranges: list[tuple[int, int]], machine: Machine | None, pointer_size: int) -> Notes:
    """Return what the notes at `ranges` (offset, size) of the open core file tell; what is cut off or nonsense is
    left out."""
    notes = Notes()
    thread: _ThreadNote | None = None
    files = b""
    own = set() if machine is None else {machine.core.segments, machine.core.thread_note} - {0}
    wide = set() if machine is None else {each.note for each in machine.core.vectors}
    for kind, body in _bodies(core, _disjoint(ranges), _WANTED | own | wide):
        if kind == NT_PRSTATUS and machine is not None and len(notes.threads) < MAX_THREADS:
            thread = _ThreadNote.parse(body, machine)
            if thread is not None:
                notes.threads.append(thread.as_thread(machine, len(notes.threads) + 1))
        elif machine is not None and kind in own and thread is not None and notes.threads:
            notes.threads[-1] = thread.as_thread(machine, len(notes.threads), thread.pointer_in(kind, body, machine))
        elif machine is not None and kind in wide and thread is not None:
            notes.vectors.setdefault(thread.lwp, []).extend(vector_words(machine, kind, body))
        elif kind == NT_SIGINFO and thread is not None:
            signal = parse_siginfo(body, pointer_size)
            if signal is not None:
                notes.signals[thread.lwp] = signal
        elif kind == NT_PRPSINFO and machine is not None:
            notes.command = _text(body[machine.core.command : machine.core.command + 16])
            notes.pid = _pid(body, machine)
            notes.arguments = _text(body[machine.core.arguments : machine.core.arguments + 80]).rstrip(" ")
        elif kind == NT_AUXV:
            notes.auxv = parse_auxv(body, pointer_size)
        elif kind == NT_FILE:
            files = body
        elif kind == NT_GDB_TDESC:
            notes.by_gdb = True
    notes.files = list(_mapped_files(files, pointer_size))
    notes.by_gdb |= _page_size(files, pointer_size) == 1
    return notes


def _disjoint(ranges: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the ranges (offset, size) in order, without what an earlier one had: a core may name one note ten
    thousand times."""
    done = 0
    for offset, size in sorted(ranges):
        if offset >= done:
            yield offset, size
            done = offset + size


def thread_of_registers(machine: Machine, lwp: int, block: bytes, own: bytes) -> Thread | None:
    """Return a live thread by the kernel's set of registers (as NT_PRSTATUS has them) and the machine's `own` set that
    may tell the thread pointer; None where the set is cut off."""
    registers = named_registers(machine, block)
    if registers is None:
        return None
    note = _ThreadNote(lwp, registers, 0)
    kind = machine.core.segments or machine.core.thread_note
    return note.as_thread(machine, 1, note.pointer_in(kind, own, machine) if own else None)


def named_registers(machine: Machine, block: bytes) -> dict[str, int] | None:
    """Return the registers of the kernel's set by name; None where it is cut off."""
    size = machine.pointer_size * len(machine.core.registers)
    if len(block) < size:
        return None
    return dict(zip(machine.core.registers, memoryview(block[:size]).cast(WORD_FORMATS[machine.pointer_size])))


@dataclass(frozen=True)
class _ThreadNote:
    lwp: int
    registers: Mapping[str, int]
    signal: int

    @classmethod
    def parse(cls, body: bytes, machine: Machine) -> _ThreadNote | None:
        names, size = machine.core.registers, machine.pointer_size
        # (pr_fpvalid is behind them.)
        count = min((len(body) - machine.core.register_block) // size - 1, len(names))
        if count < (machine.core.fewest or len(names)):
            return None
        end = machine.core.register_block + count * size
        block = memoryview(body[machine.core.register_block : end]).cast(WORD_FORMATS[size])
        lwp, signal = (
            struct.unpack_from("<i", body, machine.core.pid)[0],
            struct.unpack_from("<h", body, _CURRENT_SIGNAL)[0],
        )
        return cls(lwp, dict(zip(names, block)), signal)

    def pointer_in(self, kind: int, body: bytes, machine: Machine) -> int | None:
        """Return the thread pointer that a note of the machine's own tells."""
        if kind == machine.core.segments:
            return _tls_base(body, self.registers.get(machine.core.selector, 0))
        size = machine.pointer_size
        return int.from_bytes(body[:size], "little") if len(body) >= size else None

    def as_thread(self, machine: Machine, number: int, thread_pointer: int | None = None) -> Thread:
        return Thread(
            number=number,
            lwp=self.lwp,
            name="",
            registers=self.registers,
            stack_pointer=self.registers[machine.stack_pointer],
            program_counter=self.registers[machine.program_counter],
            thread_pointer=machine.thread_pointer(self.registers) or thread_pointer,
            # Every thread has the same one (fill_thread_core_info()); the first is the one that it came to.
            signal=self.signal if number == 1 else 0,
        )


def _bodies(core: int, ranges: Iterable[tuple[int, int]], wanted: frozenset[int]) -> Iterator[tuple[int, bytes]]:
    """Yield (type, bytes) of each note that matters and is whole."""
    budget = _MAX_NOTES
    for start, length in ranges:
        at, end = start, start + length
        while at + 12 <= end and budget > 0:
            budget -= 1
            header = os.pread(core, 12, at)
            if len(header) < 12:
                break
            name_size, size, kind = struct.unpack("<III", header)
            body = at + 12 + (name_size + 3 & ~3)
            at = body + (size + 3 & ~3)
            if kind in wanted and size <= _MAX_BODY and body + size <= end:
                data = os.pread(core, size, body)
                if len(data) == size:
                    yield kind, data


def _tls_base(body: bytes, selector: int) -> int | None:
    """Return the base of the segment that `selector` (gs) selects, from an array of struct user_desc (asm/ldt.h)."""
    for at in range(0, len(body) - 15, 16):
        entry, base = struct.unpack_from("<II", body, at)
        if entry == selector >> 3:
            return int(base)
    return None


def _page_size(body: bytes, pointer_size: int) -> int:
    """Return the unit of NT_FILE's offsets: gdb counts bytes, the kernel pages."""
    return int.from_bytes(body[pointer_size : 2 * pointer_size], "little")


def _mapped_files(body: bytes, pointer_size: int) -> Iterator[MappedFile]:
    """Yield the entries of NT_FILE (fill_files_note() in fs/binfmt_elf.c): count, page size, triples, then the
    names."""
    words = memoryview(body[: len(body) - len(body) % pointer_size]).cast(WORD_FORMATS[pointer_size])
    if len(words) < 2:
        return
    count = min(words[0], (len(words) - 2) // 3, _MAX_FILES)
    names = body[(2 + 3 * count) * pointer_size :].split(b"\0", count)
    for index, name in enumerate(names[:count]):
        start, end, page = words[2 + 3 * index : 5 + 3 * index]
        if start < end:
            yield MappedFile(start, end, page * words[1], os.fsdecode(name))


def _pid(body: bytes, machine: Machine) -> int | None:
    """Return pr_pid of elf_prpsinfo, which stands four ints before the command's name."""
    at = machine.core.command - 16
    return int.from_bytes(body[at : at + 4], "little") or None


def _text(data: bytes) -> str:
    return os.fsdecode(data.split(b"\0", 1)[0])
