"""The stopped process as gdb knows it, made into values. No other room imports gdb.

Everything is gathered once per stop. gdb's errors become HeapErrors here; nothing in the inferior, gdb's settings or
the user's selection is changed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace

import gdb

from gdbheap.errors import HeapError, MemoryFault, NoProcess, NothingRuns, UsageError
from gdbheap.files import read_regular
from gdbheap.inside_gdb.selection import lwp_of
from gdbheap.inside_gdb.text import output_of, text_of
from gdbheap.inside_gdb.threads import read_threads
from gdbheap.machine.machine import Machine
from gdbheap.machine.machines import KNOWN, MACHINES
from gdbheap.process.address_space import AddressSpace
from gdbheap.process.fact import Fact
from gdbheap.process.images.auxv import AT_ENTRY, parse_auxv
from gdbheap.process.live.live_memory import LiveMemory
from gdbheap.process.live.proc_maps import parse_maps, read_maps
from gdbheap.process.memory import Memory
from gdbheap.process.process import Process
from gdbheap.process.remarks import MappingsNotListed, ThreadsNotHeld
from gdbheap.process.shadowed_memory import ShadowedMemory
from gdbheap.process.tasks import living_task, others

_MOST_AUXV = 1 << 16
_MOST_MAPS = 1 << 28


class GdbMemory:
    """Memory as gdb reads it: any target, gdb's own caches and breakpoint shadows included."""

    def __init__(self, inferior: gdb.Inferior) -> None:
        self._inferior = inferior

    def read(self, address: int, size: int) -> bytes:
        if size <= 0:
            return b""
        try:
            return bytes(self._inferior.read_memory(address, size))
        except (gdb.error, OverflowError, MemoryError) as error:
            raise MemoryFault(address, size) from error

    def read_into(self, address: int, buffer: memoryview) -> None:
        buffer[:] = self.read(address, len(buffer))


def stop_key() -> tuple[object, ...]:
    """Return what tells one inferior from another where no event does; () where there is no process."""
    inferior = gdb.selected_inferior()
    return (
        (inferior.num, inferior.pid, text_of(lambda: inferior.progspace.filename), inserted_breakpoints())
        if inferior.pid
        else ()
    )


def inserted_breakpoints() -> frozenset[int]:
    """Return the addresses of gdb's breakpoints, its internal ones too, where they may stand in the process's memory
    now: gdb takes them out at a stop, unless told otherwise (`set breakpoint always-inserted on`) or a thread
    runs on."""
    if not (gdb.parameter("breakpoint always-inserted") or runs_on()):
        return frozenset()
    text = output_of("maint info breakpoints")
    return frozenset(int(address, 16) for address in re.findall(r"^[-\d.]+ .*?\b(0x[0-9a-f]+)\b", text, re.MULTILINE))


def runs_on() -> bool:
    """Whether what is known may be outdated with no event to tell: threads run on (non-stop mode), or gdb is just
    deciding whether to stop (a breakpoint's condition), when all threads count as running."""
    return any(thread.is_running() for thread in gdb.selected_inferior().threads())


def gather() -> Process:
    """Return the selected inferior as it is now; NoProcess, or HeapError for what gdbheap does not know."""
    inferior = _inferior()
    machine = _machine(inferior)
    kind = _kind()
    if kind == "core":
        return _gather_core(inferior, machine)
    notes: list[Fact] = []
    memory: Memory = GdbMemory(inferior)
    pid = living_task(inferior.pid) if kind == "live" else None
    space = read_maps(pid) if pid is not None else AddressSpace(())
    if pid is not None and not len(space):
        raise NoProcess(f"process {pid} has been killed, which gdb has not noticed: `kill` ends the session")
    auxv = _auxv(pid, machine.pointer_size)
    threads = read_threads(machine, notes, by_kernel=pid is not None)
    if pid is None:
        space = _remote_maps(Process(kind, machine, memory, space, threads, auxv=auxv), notes)
    else:
        memory = LiveMemory(pid, memory, space)
        if inserted := inserted_breakpoints():
            memory = ShadowedMemory(memory, GdbMemory(inferior), inserted)
    from gdbheap.elf.modules import find_modules, main_module  # kept out of gdb's start, as all of elf/ is

    modules = find_modules(memory, space, _opener(pid))
    unheld = () if pid is None or runs_on() else others(pid, {thread.lwp for thread in threads})
    if unheld:
        notes.append(ThreadsNotHeld(len(unheld)))
    return Process(
        kind=kind,
        machine=machine,
        memory=memory,
        address_space=space,
        threads=threads,
        pid=pid,
        leader=None if pid is None or pid == inferior.pid else inferior.pid,
        unheld=unheld,
        modules=modules,
        main=main_module(modules, space, auxv.get(AT_ENTRY)),
        auxv=auxv,
        notes=tuple(notes),
    )


def debug_directories() -> tuple[str, ...]:
    """Return where separate debug files are looked for: gdb's debug-file-directory."""
    return tuple(each for each in str(gdb.parameter("debug-file-directory") or "").split(":") if each)


def selected_lwp() -> int | None:
    """Return the selected thread's lwp."""
    thread = gdb.selected_thread()
    return None if thread is None else lwp_of(thread)


def read_word(address: int) -> int:
    """Return the unsigned word at `address` as it is this moment, whatever is kept of the stop; raise MemoryFault or
    NoProcess."""
    inferior = _inferior()
    return int.from_bytes(GdbMemory(inferior).read(address, _machine(inferior).pointer_size), "little")


def below(address: int, words: int) -> int:
    """Return the address that many words below, wrapped around at 0 as the process's pointers are; raise NoProcess."""
    size = _machine(_inferior()).pointer_size
    return (address - words * size) % (1 << 8 * size)


def _inferior() -> gdb.Inferior:
    inferior = gdb.selected_inferior()
    if not inferior.pid:
        raise NothingRuns("there is no process: run a program, attach to one, or load a core")
    return inferior


def _kind() -> str:
    """Return "live", "remote" or "core", from gdb's stack of targets."""
    names = re.findall(r"^\s+- (\S+) \(", output_of("maint print target-stack"), re.MULTILINE)
    if "core" in names:
        return "core"
    return "live" if "native" in names else "remote"


def _machine(inferior: gdb.Inferior) -> Machine:
    name = inferior.architecture().name()
    machine = next((each for each in MACHINES if each.gdb == name), None)
    if machine is not None and "big endian" in output_of("show endian"):
        raise HeapError("this is a big-endian process, and gdbheap reads only little-endian ones")
    if machine is None:
        raise HeapError(f"gdbheap knows {KNOWN} processes, not {name}")
    return machine


def _gather_core(inferior: gdb.Inferior, machine: Machine) -> Process:
    """Return the process of the core that gdb has loaded, read from the file itself; threads get gdb's numbers.
    HeapError where the core is of another machine than gdb takes it for: a gdb that does not know the machine
    takes it for i386."""
    from gdbheap.elf.core_file import open_core  # kept out of gdb's start, and for cores alone

    match = re.search(r"^Local core dump file:\n\s+`(.*)', file type", output_of("info files"), re.MULTILINE)
    if match is None:
        raise HeapError("gdb does not tell which core file it has loaded")
    core = open_core(match[1], _locate_file)
    if core.known is None:
        raise HeapError(
            f"this core is of another machine, {core.machine}: gdbheap reads {KNOWN} (gdb-multiarch can show its "
            "backtrace)"
        )
    if core.known != machine and not _knows(core.known):
        raise HeapError(
            f"this core is of an {core.machine} process, which this gdb does not know (it takes it for "
            f"{inferior.architecture().name()}): open it in gdb-multiarch"
        )
    if core.known != machine:
        raise HeapError(
            f"this core is of an {core.machine} process, but gdb takes it for {inferior.architecture().name()}, as the "
            "program that is loaded is: load the one that left it (`file PROGRAM`)"
        )
    process = core.process()
    numbers = {lwp_of(thread): thread.num for thread in inferior.threads()}
    threads = (replace(each, number=numbers.get(each.lwp, each.number)) for each in process.threads)
    return replace(process, threads=tuple(sorted(threads, key=lambda each: each.number)))


def _knows(machine: Machine) -> bool:
    """Whether this gdb is built for the machine: it names them all where an architecture is to be set."""
    try:
        gdb.execute("set architecture", to_string=True)
    except gdb.error as error:
        return machine.gdb in re.split(r"[\s,.]+", str(error))
    return True


def _locate_file(path: str) -> str:
    """Return where a core's mapped file may be found here: where gdb found it, if gdb did. (Build-ids tell whether
    it is the one.)"""
    known = [name for each in gdb.objfiles() if each.owner is None and (name := _file_of(each))]
    whole = next((each for each in known if each.endswith(path)), None)
    if whole is not None or os.path.exists(path):
        return whole or path
    return next((each for each in known if os.path.basename(each) == os.path.basename(path)), path)


def _file_of(objfile: gdb.Objfile) -> str | None:
    return text_of(lambda: objfile.filename)


def _remote_maps(process: Process, notes: list[Fact]) -> AddressSpace:
    """Return /proc/PID/maps, fetched through gdb's own remote file I/O; what can be found without it where the target
    has none."""
    import tempfile  # slow to import, and only remote targets need it

    with tempfile.TemporaryDirectory() as directory:
        copy = os.path.join(directory, "maps")
        try:
            gdb.execute(f"remote get /proc/{gdb.selected_inferior().pid}/maps {copy}", to_string=True)
            return AddressSpace(parse_maps(os.fsdecode(read_regular(copy, _MOST_MAPS))), "remote")
        except (gdb.error, OSError) as error:
            from gdbheap.process.found_space import find_space  # for the few targets that tell no mappings

            space = find_space(process, text_of(lambda: gdb.selected_inferior().progspace.filename) or "")
            notes.append(MappingsNotListed(str(error), bool(len(space))))
            return space


def _auxv(pid: int | None, pointer_size: int) -> dict[int, int]:
    """Return the auxiliary vector, {} where the target does not tell it. gdb prints an entry as "25   AT_RANDOM
    Address of ...   0x7ff..."."""
    if pid is not None:
        try:
            return parse_auxv(read_regular(f"/proc/{pid}/auxv", _MOST_AUXV), pointer_size)
        except OSError:
            return {}
    try:
        text = output_of("info auxv")
    except gdb.error:
        return {}
    entries = re.findall(r'^(\d+)\s+\S+\s.*?\b(0x[0-9a-f]+|\d+)(?: ".*")?$', text, re.MULTILINE)
    return {int(kind): int(value, 0) for kind, value in entries if int(kind)}


def _opener(pid: int | None) -> Callable[[str, str], str | None]:
    """Return the function that says where a module's file can be opened here.

    gdb has found most of them already (it knows about sysroot); a process in another root is read through its own.
    """
    known = {each.build_id: _file_of(each) for each in gdb.objfiles() if each.build_id and each.owner is None}
    root = "" if pid is None or _same_directory("/", f"/proc/{pid}/root") else f"/proc/{pid}/root"

    def open_as(path: str, build_id: str) -> str | None:
        candidates = (known.get(build_id) if build_id else None, root + path, path)
        return next((each for each in candidates if each and os.path.isfile(each)), None)

    return open_as


def _same_directory(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return True  # what cannot be seen into is of no use


def detach() -> None:
    """Let the selected inferior run on without gdb; UsageError with gdb's words where it will not."""
    try:
        gdb.execute("detach", to_string=True)
    except gdb.error as error:
        raise UsageError(f"cannot detach: {error}") from error
