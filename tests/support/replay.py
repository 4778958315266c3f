"""The real malloc as the model's judge: fixtures/programs/replay.c as a server, and what its processes' memory holds.

Nothing of gdbheap but the model is used here, so that no bug can sit on both sides.
"""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gdbheap.model.errors import Abort, ModelError, Segv, Unknown
from gdbheap.model.machine import ModelThread
from gdbheap.model.memory import PAGE
from gdbheap.model.trace import RETURNS_BLOCK, Operation, Player, unparse
from gdbheap.model.traits import Traits
from support.before import Before

SOURCE = Path(__file__).parents[2] / "fixtures" / "programs" / "replay.c"
_RECORD = struct.Struct("<4Q")
_WHOLE = 1 << 20
"""Stretches up to this size are compared whole; of larger ones only the pages that the model touched."""


def compile_driver(directory: Path, pointer_size: int) -> Path:
    """Build the driver for `word` 8 or 4; return its path."""
    program = directory / f"replay{8 * pointer_size}"
    flags = ["-m32"] if pointer_size == 4 else []
    command = ["gcc", *flags, "-g", "-O1", "-fno-builtin", "-pthread", "-Wl,-z,now", "-o", str(program), str(SOURCE)]
    subprocess.run(command, check=True)
    return program


class Disagreement(AssertionError):
    """Model and reality differ; the text tells where, and the trace."""


@dataclass
class Outcome:
    """How a trace ended, in the model and in reality: "exit", an abort message, "SIGSEGV" or "hang"."""

    end: str
    operations: int
    checkpoints: int


class Server:
    """A driver process that performs traces on this system's malloc, or on that of another dynamic `linker` (its
    command), which may be of another `shape` than its release."""

    def __init__(
        self,
        program: Path,
        pointer_size: int,
        tunables: dict[str, int] | None = None,
        linker: Sequence[str] = (),
        shape: Traits | None = None,
    ) -> None:
        self.pointer_size = pointer_size
        self.tunables = tunables or {}
        environment = {"PATH": os.environ["PATH"]}
        if tunables:
            environment["GLIBC_TUNABLES"] = ":".join(f"glibc.malloc.{name}={value}" for name, value in tunables.items())
        self._messages, write_end = os.pipe()
        self._driver = subprocess.Popen(
            [*linker, program, "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=write_end,
            env=environment,
            bufsize=0,
        )
        os.close(write_end)
        os.set_blocking(self._messages, False)
        _, self.pid, self._results, brk = self._record()
        self._memory = os.open(f"/proc/{self.pid}/mem", os.O_RDONLY)
        self.before = Before(pointer_size, Path(f"/proc/{self.pid}/maps").read_text(), brk, shape=shape)
        self.version = self.before.traits.name

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

    def model(self) -> Player:
        """Return a model of the process before its first allocator call."""
        return self.before.player(self.page_before, self.tunables)

    def page_before(self, page: int) -> bytes | None:
        """Return what the process had in `page` before any trace, or None where nothing was mapped."""
        whole = self.before.surroundings.page_size
        known = page in self.before.readable or (self.before.brk % whole and page & -whole == self.before.brk & -whole)
        return os.pread(self._memory, PAGE, page) if known else None

    def compare(self, trace: list[Operation]) -> Outcome:
        """Perform `trace` (checkpoints included) in the model and in reality; return how it ended. Raises
        Disagreement."""
        text = unparse(trace).encode()
        assert self._driver.stdin
        self._driver.stdin.write(b"%d\n%s" % (len(text), text))
        replay = self.follow(trace)
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

    def follow(self, trace: list[Operation]) -> Replay:
        """Return what follows a trace; a recorder takes more notes."""
        return Replay(self, trace)

    def _said(self) -> str:
        try:
            return os.read(self._messages, 65536).decode(errors="replace").strip()
        except BlockingIOError:
            return ""

    def results(self, count: int) -> list[tuple[int, int]]:
        """Return what the first `count` operations returned: (value, usable)."""
        data = os.pread(self._memory, 16 * count, self._results)
        return list(struct.iter_unpack("<2Q", data))


class Replay:
    """One trace, followed in step."""

    def __init__(self, server: Server, trace: list[Operation]) -> None:
        self.server = server
        self.trace = trace
        self.player: Player | None = None
        self.position = 0
        self.done = 0
        self.checkpoints = 0
        self.lost = False
        self.known_threads: list[ModelThread] = []

    def fail(self, text: str) -> Disagreement:
        """Return the disagreement, with the trace as far as it went."""
        s = self.server
        return Disagreement(
            f"glibc {s.version}, {8 * s.pointer_size} bit, tunables {s.tunables}: "
            f"{text}\n{unparse(self.trace[: self.position])}"
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
            key = server.before.addresses.get("tcache_key")
            if key:
                self.player.process.machine.tcache_key = int.from_bytes(read(key, server.pointer_size), "little")
            try:
                self._advance(done)
            except Unknown:
                self.lost = True
            except ModelError as error:
                raise self.fail(f"the model ends with {error!r}, reality goes on") from error
            if self.lost:
                return
            self.checkpoints += 1
            self._compare_results(done)
            m = self.player.process.machine
            if m.kernel.brk != brk:
                raise self.fail(f"brk: model {m.kernel.brk:#x}, real {brk:#x}")
            self._copy_descriptors(read)
            self._compare_parameters(read)
            self._compare_memory(read)

    def _copy_descriptors(self, read) -> None:
        """Take over what libc has written into new threads' TLS vectors: the one thing in the heap that is neither
        malloc's nor the trace's."""
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
            told = operation.what in RETURNS_BLOCK or operation.what in "tobB"
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
        for start, end in self.server.before.readable:
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
        pointer_size = self.server.pointer_size
        found = []
        for offset in range(0, len(ours), pointer_size):
            theirs, mine = real[offset : offset + pointer_size], ours[offset : offset + pointer_size]
            address = start + offset
            if theirs != mine:
                found.append(
                    f"  {what} {address:#x} (+{offset:#x}): model {int.from_bytes(mine, 'little'):#x}, real "
                    f"{int.from_bytes(theirs, 'little'):#x}"
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
        except Unknown:
            self.lost = True
        except ModelError:
            return "hang"
        return "exit"
