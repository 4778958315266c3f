"""The vector registers of all threads, word by word: optimised code moves pointers through them, two and more at a
time."""

from __future__ import annotations

from collections.abc import Iterator

import gdb

from gdbheap.errors import MemoryFault
from gdbheap.inside_gdb.selection import selection_kept
from gdbheap.inside_gdb.text import text_of
from gdbheap.machine.machine import Machine
from gdbheap.process.process import Process

# No address is smaller.
_LEAST = 1 << 12


def vector_words(process: Process) -> Iterator[tuple[int, str, int]]:
    """Yield (gdb's number of the thread, register, word) of the words that could be pointers, of threads that do not
    wait in the kernel. The user's thread and frame are put back."""
    machine, waiting = process.machine, _in_system_calls(process)
    with selection_kept():
        threads = sorted(gdb.selected_inferior().threads(), key=lambda each: each.num)
        for thread in threads:
            if thread.num in waiting or thread.is_running():
                continue
            if len(threads) > 1:
                thread.switch()
            try:
                frame = gdb.newest_frame()
                if text_of(frame.name) == "__kernel_vsyscall":
                    continue
                for name, word in _words_of(frame, machine):
                    yield thread.num, name, word
            except gdb.error:
                continue  # it has no registers, or gdb does not know them


def _in_system_calls(process: Process) -> set[int]:
    """Return the threads that wait in the kernel. No call preserves a vector register, so libc's calls of the kernel
    leave only old values in them; and a new thread begins with those of the thread that made it."""
    return {each.number for each in process.threads if _is_system_call(process, each.program_counter)}


def _is_system_call(process: Process, pc: int) -> bool:
    """Whether the instruction before the program counter calls the kernel."""
    try:
        return process.memory.read(pc - 4, 4).endswith(process.machine.system_calls.instructions)
    except (MemoryFault, OverflowError):  # it has jumped to the very first bytes
        return False


def _words_of(frame: gdb.Frame, machine: Machine) -> Iterator[tuple[str, int]]:
    if not machine.vectors:
        return
    pointer_size, (narrowest, least) = machine.pointer_size, machine.vectors[-1]
    names = {each.name for each in frame.architecture().registers()}
    family, bits = next(((name, bits) for name, bits in machine.vectors if f"{name}0" in names), ("", 0))
    count = bits // 8 // pointer_size
    index = 0
    while f"{family}{index}" in names:
        words = frame.read_register(f"{family}{index}")
        for member in machine.vector_words.format(count=count).split("."):
            words = words[member]
        for at in range(count):
            word = machine.untagged(_number(words, at) & machine.mask)
            if word >= _LEAST:
                # (The lowest bytes are the register that has them for its own.)
                yield f"{family if 8 * at * pointer_size >= least else narrowest}{index}", word
        index += 1


def _number(words: gdb.Value, at: int) -> int:
    """Return one of a register's words, 0 where gdb does not know it: of a core that gdb itself has written it may know
    no more than the lower half (seen with gdb 18 on a processor of AMD's that has registers of 512 bits)."""
    try:
        return int(words[at])
    except gdb.error:
        return 0
