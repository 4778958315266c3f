"""Start gdb with the plugin loaded: on a program, on a running process, on a core."""

from __future__ import annotations

import atexit
import os
import platform
import re
import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

from gdbheap.bundle.extract import is_bundle
from gdbheap.bundle.opened import opened_bundle
from gdbheap.errors import HeapError, UsageError
from gdbheap.files import open_regular
from gdbheap.launch import places
from gdbheap.launch.core_program import CoreOrigin, origin_of
from gdbheap.launch.debugger import InstalledGdb
from gdbheap.launch.refused import yama_scope
from gdbheap.packages import setup_command
from gdbheap.process.tasks import living_task
from gdbheap.report.printable import cut_middle, printable

_LONGEST_NAME = 200
# The gdb that knows every machine, as Debian calls it and its package.
MULTIARCH = "gdb-multiarch"
# What each machine's own gdb reads, by uname's name of it.
OWN = {"x86_64": ("x86-64", "i386"), "i686": ("i386",), "aarch64": ("aarch64",)}


class Launch:
    """How gdb is started: which gdb, and its own options before ours."""

    def __init__(self, gdb: str = "gdb", options: Sequence[str] = ()) -> None:
        self.gdb = gdb
        self.options = list(options)

    def typed(self, command: str, *arguments: str) -> list[str]:
        """Return gdbheap's words for a command that starts the same gdb."""
        chosen = [] if self.gdb == "gdb" else ["--gdb", self.gdb]
        return [*chosen, command, *arguments, *(f"--gdb-option={each}" for each in self.options)]

    def run(self, program: str, arguments: Sequence[str]) -> list[str]:
        """Return gdb's words for debugging `program`, to be started with `arguments`; UsageError if it is no
        program."""
        found = shutil.which(program)
        if not found:
            raise UsageError(f"{program} is {'no program that can be run' if Path(program).exists() else 'not there'}")
        return [*self._start(), "--args", found, *arguments]

    def attach(self, pid: int) -> list[str]:
        """Return gdb's words for process `pid`; UsageError if there is none."""
        if not Path(f"/proc/{pid}").exists():
            raise UsageError(f"there is no process {pid}")
        task = living_task(pid)
        if task != pid:
            print(f"gdbheap: the main thread of process {pid} has ended: attaching to thread {task}", file=sys.stderr)
        return [*self._start(), "-p", str(task)]

    def core(self, core: str, program: str | None) -> list[str]:
        """Return gdb's words for `core` (or a bundle of one) and `program`, or else the program that the core names."""
        if is_bundle(core):
            return self._bundle(core, program)
        origin = origin_of(Path(core))
        named = origin.program
        if program and (reason := _unreadable(program)):
            raise UsageError(f"{program} cannot be read: {reason}")
        chosen = program or named
        if not chosen:
            print(f"gdbheap: {core} does not tell which program left it; name that after the core", file=sys.stderr)
        elif reason := _unreadable(chosen):
            told = cut_middle(printable(chosen), _LONGEST_NAME)
            print(
                f"gdbheap: the program that left {core} cannot be read ({told}: {reason}); name a copy of it after "
                "the core",
                file=sys.stderr,
            )
            chosen = ""
        words = self._start(debugger_for(origin, self.gdb))
        return [*words, *([f"--exec={chosen}", f"--symbols={chosen}"] if chosen else []), f"--core={core}"]

    def _bundle(self, path: str, program: str | None) -> list[str]:
        """Return gdb's words for what a bundle holds: unpacked for as long as this process lives, or gdb, if it becomes
        that."""
        hold = ExitStack()
        atexit.register(hold.close)
        bundle = opened_bundle(path, hold)
        os.set_inheritable(bundle.lock.fileno(), True)
        packed = f"{bundle.root}{bundle.manifest.program}"
        words = self.core(bundle.core, program or (packed if os.path.isfile(packed) else None))
        # The files lie there as they did; what is said before gdb reads anything says so.
        places = (f"set sysroot {bundle.root}", f"set debug-file-directory {bundle.debug}:/usr/lib/debug")
        return [words[0], *(word for place in places for word in ("-iex", place)), *words[1:]]

    def _start(self, gdb: str = "") -> list[str]:
        gdb = gdb or self.gdb
        found = shutil.which(gdb)
        if not found:
            raise HeapError(f"{gdb} is missing; what installs it: {setup_command()}")
        # The user's -ex and -x come behind the plugin, whose commands they may be.
        return [found, "-x", str(places.gdb_init()), *self.options]


def debugger_for(origin: CoreOrigin, gdb: str) -> str:
    """Return the debugger for a core: `gdb`, unless the core is of a machine that it does not know and there is a
    gdb-multiarch; HeapError that names the package where there is none."""
    if not origin.gdb or origin.machine in OWN.get(platform.machine(), ()) or not shutil.which(gdb):
        return gdb
    if origin.gdb in re.split(r"[\s,.]+", InstalledGdb(gdb).run(["set architecture"])):
        return gdb
    if shutil.which(MULTIARCH):
        return MULTIARCH
    raise HeapError(
        f"this core is of an {origin.machine} process, which {gdb} does not know: apt install {MULTIARCH}, and this "
        "command takes it"
    )


def _unreadable(path: str) -> str:
    """Return why a program cannot be read, "" where it can."""
    try:
        open_regular(path).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def start(words: Sequence[str]) -> NoReturn:
    """Become gdb with these words; HeapError if it cannot be started."""
    sys.stdout.flush()
    try:
        os.execv(words[0], list(words))
    except OSError as error:
        raise HeapError(f"{words[0]} does not start: {error.strerror}") from None


def attach_advice() -> str:
    """Return what keeps this user from attaching to processes of their own and the command that mends it, or ""."""
    scope = yama_scope()
    if scope == 3:
        return "kernel.yama.ptrace_scope is 3: nobody can attach to a process until this machine is rebooted"
    if scope == 0 or os.geteuid() == 0:
        return ""
    return f"kernel.yama.ptrace_scope is {scope}, so that only root can attach: sudo sysctl kernel.yama.ptrace_scope=0"
