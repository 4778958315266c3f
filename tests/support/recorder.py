"""Write down what the malloc of some glibc does, for support/recorded.py to play again:

    python -m support.recorder LIBRARIES PROGRAM NAME WORD TRACES OUTPUT ABOUT... [--without-tcache] [--sound]

LIBRARIES is a directory with ld.so (any name that begins with ld), libc.so.6 and libpthread.so.0 of that glibc, not
stripped; PROGRAM is fixtures/programs/replay.c, built where that glibc can run it; NAME is the release as
gdbheap/model/traits.py calls it ("2.27", or "2.27.0" for what came out first). TRACES random traces of each flavour
are compared with the model, byte for byte (a Disagreement ends it); those that go a step or die a death that no
earlier one did, and are not long, are written to OUTPUT, below ABOUT, lines that say where it comes from.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from gdbheap.model.errors import ModelError
from gdbheap.model.image import process_of
from gdbheap.model.memory import PAGE
from gdbheap.model.trace import RETURNS_BLOCK, Operation, Player, parse
from gdbheap.model.traits import Traits
from support.cases import random_case
from support.paths import ARENAS, PATHS
from support.recorded import checksum, shape_of
from support.replay import Replay, Server
from support.traces import FLAVOURS

SEED = 20260
LONGEST = 90
"""How many operations a random trace may have that is written down."""


class Notes(Replay):
    """Follows a trace, and writes down what it told."""

    def __init__(self, server: Server, trace: list[Operation]) -> None:
        super().__init__(server, trace)
        self.lines: list[str] = []
        self._written = self._described = 0

    def checkpoint(self, pid: int, brk: int, done: int) -> None:
        super().checkpoint(pid, brk, done)
        if self.lost:
            return
        assert self.player
        machine = self.player.process.machine
        self._write(done)
        for thread in self.known_threads[self._described :]:
            data = machine.memory.read(thread.descriptor, 17 * machine.header)
            self.lines.append(f"descriptor {thread.descriptor:x} {data.rstrip(bytes(1)).hex()}")
        self._described = len(self.known_threads)
        self.lines.append(f"k = {brk:x} {checksum(self.player, self.server.before.readable):08x}")

    def finish(self, end: str) -> list[str]:
        """Return all lines of a trace that ended like this."""
        self._write(self.done)
        if end != "exit":
            self.lines.append(str(self._operations()[self.done]))
        tunables = "".join(f" {name}={value}" for name, value in self.server.tunables.items())
        brk = self.server.before.brk
        below = self.server.page_before(brk & -PAGE) if brk % PAGE else b""
        told = (below or b"").rstrip(b"\0").hex() or "-"
        where = self.server.before.addresses.get("tcache_key")
        key = self.server.model().process.machine.load(where) if where else 0
        first = [f"trace {key:x} {brk:x} {told}{tunables}", *stores(self.server)]
        return [*first, *self.lines, f"end {end}"]

    def _write(self, done: int) -> None:
        operations = zip(self._operations(), self.server.results(done))
        for operation, (value, usable) in list(operations)[self._written :]:
            told = f" = {value:x} {usable}" if operation.what in RETURNS_BLOCK or operation.what in "tobB" else ""
            self.lines.append(f"{operation}{told}")
        self._written = done

    def _operations(self) -> list[Operation]:
        return [each for each in self.trace if each.what != "k"]


class Recorder(Server):
    """A server whose last trace was written down in `notes`."""

    notes: Notes

    def follow(self, trace: list[Operation]) -> Replay:
        self.notes = Notes(self, trace)
        return self.notes


def candidates(shape: Traits, traces: int) -> Iterator[tuple[bool, dict[str, int], list[Operation]]]:
    """Yield (wanted in any case, tunables, trace) of all that is compared."""
    for path in PATHS.values():
        if shape.pointer_size in path.words:
            yield True, dict(path.tunables), path.trace(shape.pointer_size)
    yield True, {"arena_max": 2}, parse(ARENAS)
    for flavour in FLAVOURS:
        wanted = True
        for index in range(traces):
            case = random_case(SEED, flavour.name, shape, index)
            trace = case.trace(shape)
            yield wanted and len(trace) <= LONGEST, case.tunables, trace
            wanted = wanted and len(trace) > LONGEST


def steps_of(shape: Traits, tunables: dict[str, int], trace: list[Operation]) -> set[str]:
    """Return the steps that a trace takes."""
    player = Player(process_of(shape, tunables))
    steps: set[str] = set()
    for operation in trace:
        if operation.what != "k":
            try:
                player.perform(operation)
            except ModelError:
                break
            steps |= {str(step[0]) for step in player.process.machine.steps}
    return steps


def header(server: Server, about: list[str], without_tcache: bool) -> Iterator[str]:
    """Yield what a recording says of the process before its first call."""
    before = server.before
    yield from (f"# {line}" for line in about)
    yield f"shape {before.traits.name}{' without-tcache' if without_tcache else ''}"
    yield f"word {server.pointer_size}"
    yield f"cores {before.surroundings.cores}"
    yield f"huge-alignment {int(before.surroundings.huge_alignment)}"
    for name, offset in sorted(before.symbols.offsets.items()):
        yield f"symbol {name} {offset:x} {before.symbols.sizes[name]:x}"
    for line in Path(f"/proc/{server.pid}/maps").read_text().splitlines():
        where, permissions, _, _, _, *name = line.split(maxsplit=5)
        yield " ".join([f"map {where} {permissions}", *(_short(each) for each in name)])


def stores(server: Server) -> Iterator[str]:
    """Yield the words of malloc's variables that are not zero before the first call; the tunables are in some."""
    machine = server.model().process.machine
    for start, size in ((machine.mp, machine.traits.mp_size()), (machine.main_arena, machine.traits.arena_size)):
        for address in range(start & -machine.pointer_size, start + size, machine.pointer_size):
            if machine.load(address):
                yield f"store {address:x} {machine.load(address):x}"


def _short(name: str) -> str:
    return "/" + os.path.basename(name) if name.startswith("/") else name


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("libraries", "program", "output"):
        parser.add_argument(name, type=Path)
    parser.add_argument("name")
    parser.add_argument("word", type=int)
    parser.add_argument("traces", type=int)
    parser.add_argument("about", nargs="+")
    parser.add_argument("--without-tcache", action="store_true")
    parser.add_argument("--sound", action="store_true", help="no traces that overwrite what malloc keeps")
    options = parser.parse_args()
    shape = shape_of(options.name, options.word, not options.without_tcache)
    linker = next(str(path) for path in sorted(options.libraries.glob("ld*.so*")))
    known = Path(linker).read_bytes()  # the tunables that this glibc has, among all else
    command = ["setarch", "-R", linker, "--library-path", str(options.libraries)]
    servers: dict[tuple[tuple[str, int], ...], Recorder] = {}
    lines: list[str] = []
    usual: list[str] = []
    seen: set[str] = set()
    count = operations = 0
    for wanted, tunables, trace in candidates(shape, options.traces):
        if any(f"glibc.malloc.{each}".encode() not in known for each in tunables):
            continue
        if options.sound and any(each.what == "w" for each in trace):
            continue
        key = tuple(tunables.items())
        if key not in servers:
            servers[key] = Recorder(options.program, options.word, tunables, command, shape)
        server = servers[key]
        outcome = server.compare(trace)
        count, operations = count + 1, operations + outcome.operations
        new = {outcome.end, *steps_of(shape, tunables, trace)} - seen
        usual = usual or list(stores(server))
        if outcome.end != "not modelled" and (wanted or (new and len(trace) <= LONGEST)):
            lines += [line for line in server.notes.finish(outcome.end) if line not in usual]
            seen |= new
    about = [*options.about, f"Compared with the model byte for byte: {count} traces, {operations} operations."]
    first = next(iter(servers.values()))
    options.output.write_text("\n".join([*header(first, about, options.without_tcache), *usual, *lines]) + "\n")
    for each in servers.values():
        each.close()


if __name__ == "__main__":
    main()
