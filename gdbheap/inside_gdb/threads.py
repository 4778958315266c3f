"""The threads of the stopped process, with their registers."""

from __future__ import annotations

from collections.abc import Sequence

import gdb

from gdbheap.errors import NoProcess
from gdbheap.inside_gdb.selection import lwp_of, selection_kept
from gdbheap.inside_gdb.text import text_of
from gdbheap.machine.machine import Machine
from gdbheap.process.fact import Fact
from gdbheap.process.process import Thread
from gdbheap.process.remarks import ThreadsRunOn

# gdb is asked of the registers of fewer threads.
_MANY_THREADS = 64


def read_threads(machine: Machine, notes: list[Fact], by_kernel: bool) -> tuple[Thread, ...]:
    """Return every thread that has stopped, by number; raise NoProcess where none has.

    gdb reads registers of its selected thread only, so each is selected in turn, without a word to the user or to
    observers, and the user's thread and frame are put back; of many threads of a process of this machine the kernel is
    asked (`by_kernel`).
    """
    found, running = [], []
    with selection_kept() as selected:
        if selected is None:
            raise NoProcess("gdb has no thread of the process selected: type `info threads`, then `thread NUMBER`")
        threads = sorted(gdb.selected_inferior().threads(), key=lambda each: each.num)
        told = _told_by_kernel(threads, selected, machine) if by_kernel and len(threads) >= _MANY_THREADS else {}
        for thread in threads:
            try:
                found.append(_thread(thread, machine, told.get(thread.num) or _registers(thread, machine)))
            except gdb.error:
                running.append(thread.num)
    if not found:
        raise NoProcess("the process is running: stop it first (Ctrl-C, or `interrupt`)")
    if running:
        notes.append(ThreadsRunOn(tuple(running)))
    return tuple(found)


def _registers(thread: gdb.InferiorThread, machine: Machine) -> dict[str, int]:
    """Return the thread's registers, and leave it selected; gdb.error where it has none (it runs)."""
    if gdb.selected_thread() != thread:
        thread.switch()
    frame = gdb.newest_frame()
    registers: dict[str, int] = {}
    for name in (*machine.general, *machine.special):
        try:
            registers[name] = int(frame.read_register(name)) & machine.mask
        except (gdb.error, ValueError):
            continue  # this gdb or target has no such register
    return registers


def _told_by_kernel(
    threads: Sequence[gdb.InferiorThread], selected: gdb.InferiorThread, machine: Machine
) -> dict[int, dict[str, int]]:
    """Return the registers by gdb's number of the thread as the kernel tells them to the tracer, which this very
    process is: gdb takes a tenth of a millisecond for each thread. {} where gdb says anything else of one of three (it
    replays what it has recorded)."""
    from gdbheap.elf.core_notes import named_registers  # kept out of gdb's start
    from gdbheap.process.live.held_threads import NT_PRSTATUS, registers_of

    names = (*machine.general, *machine.special)
    told: dict[int, dict[str, int]] = {}
    for thread in threads:
        block = b"" if thread.is_running() else registers_of(lwp_of(thread), NT_PRSTATUS)
        if registers := named_registers(machine, block):
            told[thread.num] = {name: registers[name] & machine.mask for name in names if name in registers}
    for thread in (threads[0], threads[-1], selected):
        try:
            if told.get(thread.num) != _registers(thread, machine):
                return {}
        except gdb.error:
            return {}
    return told


def _thread(thread: gdb.InferiorThread, machine: Machine, registers: dict[str, int]) -> Thread:
    pointer = machine.thread_pointer(registers)
    return Thread(
        number=thread.num,
        lwp=lwp_of(thread),
        name=text_of(lambda: thread.name) or "",
        registers=registers,
        stack_pointer=registers.get(machine.stack_pointer, 0),
        program_counter=registers.get(machine.program_counter, 0),
        thread_pointer=_pthread(thread, machine) if pointer is None else pointer,
    )


def _pthread(thread: gdb.InferiorThread, machine: Machine) -> int | None:
    """Return the pthread_t, where it is the thread pointer; None without libthread_db's help."""
    if machine.tls_above:
        return None
    try:
        return int.from_bytes(thread.handle(), "little")
    except (gdb.error, NotImplementedError, RuntimeError):  # "Thread handle not found."
        return None
