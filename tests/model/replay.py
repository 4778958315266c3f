"""The real malloc as the model's judge: fixtures/programs/replay.c as a server, and what its processes' memory holds.

Nothing of gdbheap but the model is used here, so that no bug can sit on both sides.
"""

from __future__ import annotations

import os
import platform
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile

from gdbheap.model.errors import Abort, ModelError, NotModelled, Segv
from gdbheap.model.kernel import Kernel
from gdbheap.model.machine import Machine, Thread
from gdbheap.model.memory import PAGE, Memory
from gdbheap.model.process import Process
from gdbheap.model.ranges import Ranges
from gdbheap.model.trace import RETURNS_BLOCK, Operation, Player, unparse
from gdbheap.model.traits import Traits, traits

SOURCE = Path(__file__).parents[2] / "fixtures" / "programs" / "replay.c"
_RECORD = struct.Struct("<4Q")
_KEY = 0x9E3779B97F4A7C15
"""Stands in for tcache_key until a checkpoint can tell what it is."""
_WHOLE = 1 << 20
"""Stretches up to this size are compared whole; of larger ones only the pages that the model touched."""


def compile_driver(directory: Path, word: int) -> Path:
    """Build the driver for `word` 8 or 4; return its path."""
    program = directory / f"replay{8 * word}"
    flags = ["-m32"] if word == 4 else []
    command = ["gcc", *flags, "-g", "-O1", "-fno-builtin", "-pthread", "-Wl,-z,now", "-o", str(program), str(SOURCE)]
    subprocess.run(command, check=True)
    return program


def libc_version() -> str:
    """Return the version of this system's glibc, "2.36"."""
    return os.confstr("CS_GNU_LIBC_VERSION").split()[1]


@dataclass(frozen=True)
class Symbols:
    """Offsets in libc of malloc's static variables; `sizes` in bytes."""

    offsets: dict[str, int]
    sizes: dict[str, int]
    version: str


def libc_symbols(path: str) -> Symbols:
    """Read the addresses of malloc's variables from the debug file of the libc at `path`."""
    with open(path, "rb") as file:
        elf = ELFFile(file)
        build_id = elf.get_section_by_name(".note.gnu.build-id").data()[16:].hex()
        text = elf.get_section_by_name(".rodata").data()
    start = text.index(b"stable release version ") + len(b"stable release version ")
    version = text[start : start + 4].decode()
    offsets, sizes = {}, {}
    with open(f"/usr/lib/debug/.build-id/{build_id[:2]}/{build_id[2:]}.debug", "rb") as file:
        for symbol in ELFFile(file).get_section_by_name(".symtab").iter_symbols():
            if symbol.name in ("main_arena", "mp_", "tcache_key", "global_max_fast") and symbol["st_size"]:
                offsets[symbol.name] = symbol["st_value"]
                sizes[symbol.name] = symbol["st_size"]
    return Symbols(offsets, sizes, version)


class Disagreement(AssertionError):
    """Model and reality differ; the text tells where, and the trace."""


@dataclass
class Outcome:
    """How a trace ended, in the model and in reality: "exit", an abort message, "SIGSEGV" or "hang"."""

    end: str
    operations: int
    checkpoints: int


class Server:
    """A driver process that performs traces on this system's malloc."""

    def __init__(self, program: Path, word: int, tunables: dict[str, int] | None = None) -> None:
        self.word = word
        self.tunables = tunables or {}
        environment = {"PATH": os.environ["PATH"]}
        if tunables:
            environment["GLIBC_TUNABLES"] = ":".join(f"glibc.malloc.{name}={value}" for name, value in tunables.items())
        self._messages, write_end = os.pipe()
        self._driver = subprocess.Popen(
            [program, "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=write_end,
            env=environment,
            bufsize=0,
        )
        os.close(write_end)
        os.set_blocking(self._messages, False)
        _, self.pid, self._results, self._brk = self._record()
        self._memory = os.open(f"/proc/{self.pid}/mem", os.O_RDONLY)
        self._read_maps()
        symbols = libc_symbols(self.libc)
        self.version = symbols.version
        self.traits: Traits = traits(symbols.version, word)
        self.addresses = {name: self.libc_base + offset for name, offset in symbols.offsets.items()}
        assert symbols.sizes["main_arena"] == self.traits.arena_size
        assert symbols.sizes["mp_"] == self.traits.mp_size()

    def close(self) -> None:
        """End the driver."""
        assert self._driver.stdin and self._driver.stdout
        self._driver.stdin.close()
        self._driver.wait()
        self._driver.stdout.close()
        os.close(self._memory)
        os.close(self._messages)

    def _record(self) -> tuple[int, ...]:
        assert self._driver.stdout
        data = b""
        while len(data) < _RECORD.size:
            more = self._driver.stdout.read(_RECORD.size - len(data))
            if not more:
                raise RuntimeError("the driver has died: " + os.read(self._messages, 4096).decode())
            data += more
        return _RECORD.unpack(data)

    def _read_maps(self) -> None:
        self._vmas = []
        self.mapped = Ranges()
        for line in Path(f"/proc/{self.pid}/maps").read_text().splitlines():
            fields = line.split(maxsplit=5)
            start, end = (int(part, 16) for part in fields[0].split("-"))
            self._vmas.append((start, end, fields[5] if len(fields) > 5 else ""))
            if fields[1].startswith("r") and fields[5:] not in (
                ["[vvar]"],
                ["[vvar_vclock]"],
                ["[vsyscall]"],
                ["[heap]"],
            ):
                self.mapped.add(start, end)
        self.libc, self.libc_base = next(
            (path, start) for start, _, path in self._vmas if "/libc.so" in path or "/libc-2" in path
        )
        stack = next(start for start, _, path in self._vmas if path == "[stack]")
        self._mmap_base = max(end for _, end, path in self._vmas if end <= stack)

    def model(self) -> Player:
        """Return a model of the process before its first allocator call."""
        memory = Memory(self.word, self._page_before)
        limit = 0x7FFFFFFFF000 if self.word == 8 else 0xFFFFE000
        release = tuple(int(part) for part in platform.release().split(".")[:2])
        kernel = Kernel(memory, self._brk, self._mmap_base, limit, huge_alignment=self.word == 8 and release >= (6, 7))
        for start, end, path in self._vmas:
            if path != "[vsyscall]":
                kernel.taken.add(start, end)
        for start, end in self.mapped:
            memory.accessible.add(start, end)
        if self._brk % PAGE:
            # the dynamic linker has put the tunables' text there
            start = self._brk & -PAGE
            memory.accessible.add(start, start + PAGE)
            memory.write(start, os.pread(self._memory, PAGE, start))
        machine = Machine(
            self.traits,
            memory,
            kernel,
            self.addresses["main_arena"],
            self.addresses["mp_"],
            _KEY & ((1 << 8 * self.word) - 1),
        )
        machine.cores = len(os.sched_getaffinity(0))
        process = Process(machine, self.tunables)
        return Player(process)

    def _page_before(self, page: int) -> bytes | None:
        """Return what the process had in `page` before any trace, or None where nothing was mapped."""
        return os.pread(self._memory, PAGE, page) if page in self.mapped else None

    def compare(self, trace: list[Operation]) -> Outcome:
        """Perform `trace` (checkpoints included) in the model and in reality; return how it ended. Raises Disagreement."""
        text = unparse(trace).encode()
        assert self._driver.stdin
        self._driver.stdin.write(b"%d\n%s" % (len(text), text))
        replay = _Replay(self, trace)
        while True:
            kind, *rest = self._record()
            if kind == 3:
                return replay.ended(rest[0], rest[1], self._said())
            try:
                replay.checkpoint(*rest)
            except BaseException:
                os.kill(rest[0], 9)
                while self._record()[0] != 3:
                    pass
                raise
            self._driver.stdin.write(b"g")

    def _said(self) -> str:
        try:
            return os.read(self._messages, 65536).decode(errors="replace").strip()
        except BlockingIOError:
            return ""

    def results(self, count: int) -> list[tuple[int, int]]:
        """Return what the first `count` operations returned: (value, usable)."""
        data = os.pread(self._memory, 16 * count, self._results)
        return list(struct.iter_unpack("<2Q", data))


class _Replay:
    """One trace, followed in step."""

    def __init__(self, server: Server, trace: list[Operation]) -> None:
        self.server = server
        self.trace = trace
        self.player: Player | None = None
        self.position = 0
        self.done = 0
        self.checkpoints = 0
        self.lost = False
        self.known_threads: list[Thread] = []

    def fail(self, text: str) -> Disagreement:
        """Return the disagreement, with the trace as far as it went."""
        s = self.server
        return Disagreement(
            f"glibc {s.version}, {8 * s.word} bit, tunables {s.tunables}: {text}\n{unparse(self.trace[: self.position])}"
        )

    def _advance(self, until: int) -> None:
        """Let the model perform operations until `until` are done, and stop at the checkpoint behind them."""
        assert self.player
        while self.done < until or (self.position < len(self.trace) and self.trace[self.position].what != "k"):
            operation = self.trace[self.position]
            self.position += 1
            if operation.what != "k":
                self.player.perform(operation)
                self.done += 1
        self.position += 1

    def _start(self) -> None:
        if self.player is None:
            self.player = self.server.model()

    def checkpoint(self, pid: int, brk: int, done: int) -> None:
        """Compare everything while the real process waits."""
        server = self.server
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:

            def read(address: int, size: int) -> bytes:
                return os.pread(memory.fileno(), size, address)

            if self.lost:
                return
            self._start()
            assert self.player
            key = server.addresses.get("tcache_key")
            if key:
                self.player.process.machine.tcache_key = int.from_bytes(read(key, server.word), "little")
            try:
                self._advance(done)
            except NotModelled:
                self.lost = True
            except ModelError as error:
                raise self.fail(f"the model ends with {error!r}, reality goes on") from error
            if self.lost:
                return
            self.checkpoints += 1
            self._compare_results(done)
            m = self.player.process.machine
            if not m.initialised:
                return
            if m.kernel.brk != brk:
                raise self.fail(f"brk: model {m.kernel.brk:#x}, real {brk:#x}")
            self._copy_descriptors(read)
            self._compare_parameters(read)
            self._compare_memory(read)

    def _copy_descriptors(self, read) -> None:
        """Take over what libc has written into new threads' TLS vectors: the one thing in the heap that is neither malloc's nor the trace's."""
        assert self.player
        m = self.player.process.machine
        for thread in m.threads:
            if thread.descriptor and all(thread is not each for each in self.known_threads):
                self.known_threads.append(thread)
                m.memory.write(thread.descriptor, read(thread.descriptor, 17 * m.header))

    def _compare_results(self, done: int) -> None:
        assert self.player
        real = self.server.results(done)
        operations = [each for each in self.trace if each.what != "k"]
        for index, (ours, theirs, operation) in enumerate(zip(self.player.results, real, operations)):
            value, usable = theirs
            told = operation.what in RETURNS_BLOCK or operation.what in "tob"
            if told and (ours.value, ours.usable) != (value, usable):
                raise self.fail(
                    f"operation {index}, {operation}: model {ours.value:#x} ({ours.usable}), real {value:#x} ({usable})"
                )

    def _compare_parameters(self, read) -> None:
        assert self.player
        m = self.player.process.machine
        raw = read(m.mp, m.traits.mp_size())
        for name, (offset, size) in m.traits.mp_members().items():
            if not name.startswith(("thp", "hp")):
                real = int.from_bytes(raw[offset : offset + size], "little")
                if m.parameter(name) != real:
                    raise self.fail(f"mp_.{name}: model {m.parameter(name):#x}, real {real:#x}")

    def _compare_memory(self, read) -> None:
        assert self.player
        m = self.player.process.machine
        arena = m.main_arena
        size = m.traits.arena_size - 8
        # not the mutex
        self._compare_bytes("main_arena", arena + 8, read(arena + 8, size), m.memory.read(arena + 8, size))
        ours = m.memory.accessible.copy()
        for start, end in self.server.mapped:
            ours.remove(start, end)
        for start, end in ours:
            if end - start <= _WHOLE:
                self._compare_bytes("memory", start, read(start, end - start), m.memory.read(start, end - start))
            else:
                for number in m.memory.touched():
                    if start <= number << 12 < end:
                        self._compare_bytes("memory", number << 12, read(number << 12, PAGE), m.memory.page(number))

    def _compare_bytes(self, what: str, start: int, real: bytes, ours: bytes) -> None:
        if real == ours:
            return
        assert self.player
        word = self.server.word
        found = []
        for offset in range(0, len(ours), word):
            theirs, mine = real[offset : offset + word], ours[offset : offset + word]
            address = start + offset
            if theirs != mine:
                found.append(
                    f"  {what} {address:#x} (+{offset:#x}): model {int.from_bytes(mine, 'little'):#x}, real {int.from_bytes(theirs, 'little'):#x}"
                )
        if found:
            raise self.fail(f"after operation {self.done - 1}:\n" + "\n".join(found[:24]) + "\n")

    def ended(self, status: int, done: int, said: str) -> Outcome:
        """Compare how the process ended with how the model says it ends."""
        real = "exit" if status == 0 else f"status {status:#x}"
        if os.WIFSIGNALED(status):
            real = {6: said, 11: "SIGSEGV", 7: "SIGSEGV", 26: "hang"}.get(os.WTERMSIG(status), real)
        self._start()
        ours = "exit"
        if real != "exit" and not self.lost:
            ours = self._model_end()
        if self.lost:
            return Outcome("not modelled", self.done, self.checkpoints)
        if (ours != real and not (ours.startswith("assert ") and ours[7:] in real)) or self.done != done:
            raise self.fail(
                f"the model ends with {ours!r} after {self.done}, reality with {real!r} after {done} operations"
            )
        return Outcome(real, self.done, self.checkpoints)

    def _model_end(self) -> str:
        assert self.player
        try:
            while self.position < len(self.trace):
                operation = self.trace[self.position]
                self.position += 1
                if operation.what != "k":
                    self.player.perform(operation)
                    self.done += 1
        except Abort as error:
            return f"assert {error.message}" if error.assertion else error.message
        except Segv:
            return "SIGSEGV"
        except NotModelled:
            self.lost = True
        except ModelError:
            return "hang"
        return "exit"
