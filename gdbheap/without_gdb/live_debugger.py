"""A process of this machine as a Debugger, without gdb: held by ptrace for as long as it takes to copy what it may
write, or read as it runs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

from gdbheap.counted import counted
from gdbheap.elf.core_notes import thread_of_registers
from gdbheap.elf.core_vectors import vector_words
from gdbheap.elf.modules import find_modules, main_module
from gdbheap.errors import HeapError, MayNotLook, MemoryFault, NoProcess
from gdbheap.files import kernel_text, open_regular, read_regular
from gdbheap.machine.machine import Machine
from gdbheap.machine.machines import KNOWN, machine_name, machine_of_elf
from gdbheap.process.address_space import AddressSpace
from gdbheap.process.images.auxv import AT_ENTRY, parse_auxv
from gdbheap.process.images.elf_headers import HEADER_SIZE, parse_elf_header
from gdbheap.process.live.copied_memory import CopiedMemory, Unreadable
from gdbheap.process.live.copy_room import room_for_copy
from gdbheap.process.live.held_threads import NT_PRSTATUS, HeldThreads, held_threads
from gdbheap.process.live.live_memory import LiveMemory
from gdbheap.process.live.namespace import pid_in_namespace
from gdbheap.process.live.proc_maps import read_maps
from gdbheap.process.process import Process, Thread
from gdbheap.process.tasks import living_task
from gdbheap.without_gdb.reader import Files, Reader
from gdbheap.without_gdb.stops import StopKnowledge

_MOST_AUXV = 1 << 16


def live_debugger(pid: int, files: Files, hold: ExitStack) -> Reader:
    """Return the Debugger on a process. What must stay as it is until all is read is let go of by `hold`. HeapError
    where it cannot be read."""
    task = living_task(pid)
    machine = _machine(task)
    room = room_for_copy(task, _mappings(pid, task, HeldThreads()))
    began = time.monotonic()
    with ExitStack() as own:
        held = own.enter_context(held_threads(pid))
        space = _mappings(pid, task, held)
        live = LiveMemory(task, Unreadable(), space)
        if held.refused and not held.held and not _is_readable(live, space):
            raise MayNotLook(pid)
        copied = CopiedMemory(task, live)
        threads = tuple(_threads(machine, held))
        vectors = {each: list(_vectors(machine, held, each)) for each in held.held}
        is_copied = not held.held or (room is not None and copied.copy(space, room))
        if not is_copied:
            hold.push(own.pop_all())
    taken = time.monotonic() - began
    memory = copied if held.held and is_copied else live
    auxv = parse_auxv(_auxv(task), machine.pointer_size)
    root = f"/proc/{task}/root"

    def open_as(path: str, build_id: str) -> str | None:
        return next((each for each in (root + path, files.locate(path)) if os.path.isfile(each)), None)

    modules = find_modules(memory, space, open_as)
    process = Process(
        kind="live",
        machine=machine,
        memory=memory,
        address_space=space,
        threads=threads,
        pid=task,
        leader=None if task == pid else pid,
        unheld=held.running,
        seconds_held=taken if memory is copied else None,
        modules=modules,
        main=main_module(modules, space, auxv.get(AT_ENTRY)),
        auxv=auxv,
    )
    own_pid = pid_in_namespace(kernel_text(f"/proc/{task}/status")) or pid
    remarks = tuple(_remarks(pid, held, taken, is_copied))
    return Reader(process, StopKnowledge({}, own_pid, remarks, vectors), files)


def _mappings(pid: int, task: int, held: HeldThreads) -> AddressSpace:
    try:
        space = read_maps(task)
    except NoProcess as error:
        raise (MayNotLook(pid) if held.refused else error) from None
    if not len(space):
        raise NoProcess(f"there is no process {pid} whose memory can be read")
    return space


def _is_readable(memory: LiveMemory, space: AddressSpace) -> bool:
    """Whether there is a mapping of which the kernel lets us have a byte."""
    for vma in space:
        try:
            return "r" in vma.permissions and bool(memory.read(vma.start, 1))
        except MemoryFault:
            continue
    return False


def _remarks(pid: int, held: HeldThreads, taken: float, is_copied: bool) -> Iterator[str]:
    if not held.held:
        why = held.refused or "it has no threads that could be held"
        yield (
            f"process {pid} was read while it ran, because it cannot be held ({why}): parts of the answer may be of "
            "different moments, and what only registers held is not known"
        )
    elif is_copied:
        yield f"process {pid} was held for {taken * 1000:,.0f} ms, without a signal, and runs on"
    else:
        yield (
            f"process {pid} was held until all was read, without a signal: there is no room for a copy of what it has "
            "written"
        )
    if held.held and held.running:
        yield f"{counted(len(held.running), 'thread')} of it could not be held"


def _threads(machine: Machine, held: HeldThreads) -> Iterator[Thread]:
    """Yield the held threads by number; the main one is the first."""
    kind = machine.core.segments or machine.core.thread_note
    for number, each in enumerate(sorted(held.held), 1):
        own = held.registers(each, kind) if kind else b""
        thread = thread_of_registers(machine, each, held.registers(each, NT_PRSTATUS), own)
        if thread is not None:
            yield replace(thread, number=number, name=_name(each))


def _vectors(machine: Machine, held: HeldThreads, thread: int) -> Iterator[tuple[str, int]]:
    for kind in {each.note for each in machine.core.vectors}:
        yield from vector_words(machine, kind, held.registers(thread, kind))


def _name(task: int) -> str:
    try:
        return kernel_text(f"/proc/{task}/comm").rstrip("\n")
    except OSError:
        return ""


def _auxv(pid: int) -> bytes:
    try:
        return read_regular(f"/proc/{pid}/auxv", _MOST_AUXV)
    except OSError:
        return b""


def _machine(pid: int) -> Machine:
    try:
        with open_regular(f"/proc/{pid}/exe") as file:
            header = parse_elf_header(file.read(HEADER_SIZE))
    except FileNotFoundError:
        raise NoProcess(f"there is no process {pid}, or none with a program") from None
    except OSError as error:
        raise MayNotLook(pid) from error
    machine = None if header is None else machine_of_elf(header.machine, header.pointer_size)
    if machine is None:
        name = "an unknown machine" if header is None else machine_name(header.machine, header.pointer_size)
        raise HeapError(f"process {pid} is of {name}: gdbheap reads {KNOWN}")
    return machine
