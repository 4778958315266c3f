"""Where a process is about to end, or to become another program: gdb stops there, and this tells which it is."""

from __future__ import annotations

import enum
import os
import re
from contextlib import suppress
from typing import Any

import gdb

from gdbheap.inside_gdb.process import gather
from gdbheap.inside_gdb.text import output_of
from gdbheap.machine.machine import Machine
from gdbheap.process.images.auxv import AT_BASE

# exit() and quick_exit() come to _exit (musl's to _Exit), the family of exec to execve or execveat.
_OUT = ("_exit", "_Exit")
_ON = ("execve", "execveat", "fexecve")
# The files where such a function is the real one: Debian's libc-2.31.so, libc.so.6, ld-linux-x86-64.so.2, musl's.
_REAL = re.compile(r"(libc|ld)\b")


class WayOut(enum.Enum):
    """What a stop is about. THREAD_EXIT: a thread ends, by the system call. REPLACED: exec has put another program in
    the place of the one before."""

    EXIT = "exit"
    THREAD_EXIT = "thread exit"
    EXEC = "exec"
    REPLACED = "replaced"
    VFORK = "vfork"
    NONE = ""


class WaysOut:
    """The breakpoints and catchpoints. With `system_calls` the calls of the kernel themselves are caught too, which
    sees those that go past libc, and costs a stop at each system call; without it, only where a program that is linked
    statically does not tell where its _exit is."""

    def __init__(self, system_calls: bool, vforks: bool) -> None:
        self.breakpoints: list[gdb.Breakpoint] = []
        self._ways: dict[int, WayOut] = {}
        self._system_calls = system_calls
        # The inferior and the way, where the next stop may be at the system call of a call that was seen.
        self._seen: tuple[int, WayOut] | None = None
        # Whether the last stop was at the system call that ends all threads.
        self._at_call = False
        self._break_at(WayOut.EXIT, _OUT)
        self._break_at(WayOut.EXEC, _ON)
        self._catch(WayOut.REPLACED, "exec")
        if vforks:
            self._catch(WayOut.VFORK, "vfork")

    def began(self) -> None:
        """A program has just begun in the selected inferior. (gdb catches system calls in that one alone.)"""
        if self._system_calls or (all(each.pending for each in self.breakpoints) and _is_static()):
            self._catch(WayOut.EXIT, "syscall exit_group")
            self._catch(WayOut.THREAD_EXIT, "syscall exit")
            self._catch(WayOut.EXEC, "syscall execve")
            with suppress(gdb.error):  # gdb 10 does not know it
                self._catch(WayOut.EXEC, "syscall execveat")

    def way(self, event: Any) -> WayOut:
        """Return what a stop (not by a signal) is about; NONE where that has been told at the stop before."""
        # (gdb 10 has no such event for catchpoints.)
        told = output_of("info program")
        numbers = {*map(int, re.findall(r"breakpoint (\d+)", told)), *_numbers(event)}
        found = {self._ways[each] for each in numbers if each in self._ways}
        way = next((each for each in WayOut if each in found), WayOut.NONE)
        inferior = gdb.selected_inferior()
        self._at_call = way is WayOut.EXIT and not _numbers(event)
        if way is WayOut.REPLACED:
            self.began()
        if way is WayOut.THREAD_EXIT:  # the process ends with its last thread
            way = WayOut.NONE if len(inferior.threads()) > 1 else WayOut.EXIT
        before, self._seen = self._seen, (inferior.num, way) if _numbers(event) else None
        return WayOut.NONE if before == (inferior.num, way) and not self._seen else way

    def status(self, machine: Machine) -> int | None:
        """Return the status with which the process that has just stopped at an EXIT ends; None where that is not sure:
        a program may have an _exit of its own, and a last thread ends with the status of the first one."""
        if self._at_call:
            return _register(machine.system_calls.arguments[0]) & 0xFF
        frame = gdb.newest_frame()
        library = gdb.solib_name(frame.pc())
        if not (_is_static() if library is None else _REAL.match(os.path.basename(library))):
            return None
        if machine.arguments:
            return _register(machine.arguments[0]) & 0xFF
        argument = _register(machine.stack_pointer) + machine.pointer_size
        return int.from_bytes(gdb.selected_inferior().read_memory(argument, 1), "little")

    def _break_at(self, way: WayOut, functions: tuple[str, ...]) -> None:
        for each in functions:
            made = gdb.Breakpoint(f"-qualified {each}", internal=True)
            # (gdb 10 may fail at saying what it hits.)
            made.silent = True
            self.breakpoints.append(made)
            self._ways[made.number] = way

    def _catch(self, way: WayOut, what: str) -> None:
        gdb.execute(f"catch {what}", to_string=True)
        self._ways[int(str(gdb.convenience_variable("bpnum")))] = way


def _register(name: str) -> int:
    return int(gdb.newest_frame().read_register(name))


def _numbers(event: Any) -> set[int]:
    """Return those of the breakpoints in the program's code that were hit."""
    hit = event.breakpoints if isinstance(event, gdb.BreakpointEvent) else ()
    return {each.number for each in hit if each.type == gdb.BP_BREAKPOINT}


def _is_static() -> bool:
    """Whether the selected process was started without a program interpreter."""
    return not gather().auxv.get(AT_BASE)
