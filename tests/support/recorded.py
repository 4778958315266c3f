"""What the mallocs of releases that no system of the matrix has really did, written down: support/recorder.py writes
it while the model and that malloc agree byte for byte, and here the model plays it again.

A recording is text. The lines before the first `trace` describe the process before its first call:

    # where it comes from
    shape NAME [without-tcache]             whose traits: a name that gdbheap/model/traits.py gives
    word BYTES   cores NUMBER   huge-alignment 0|1
    symbol NAME OFFSET SIZE                 in libc
    map START-END PERMISSIONS [NAME]
    store ADDRESS VALUE                     a word of malloc's variables that is not zero; in a trace: with its tunables

and each trace is its operations (gdbheap/model/trace.py) with what came of them:

    trace KEY BREAK BELOW [NAME=VALUE ...]  KEY: tcache_key; BREAK: where the heap will begin; BELOW: "-", or what the
                                            dynamic linker left in that page; then the tunables
    m 1 24 = ADDRESS USABLE
    descriptor ADDRESS BYTES                what libc itself wrote into a new thread's vector
    k = BREAK CHECKSUM                      of malloc's variables and all that it has mapped
    end exit | SIGSEGV | hang | the message of the abort
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from gdbheap.model.errors import Abort, ModelError, Segv
from gdbheap.model.memory import PAGE
from gdbheap.model.ranges import SortedRanges
from gdbheap.model.trace import Operation, Player, parse
from gdbheap.model.traits import Traits, variants
from support.before import Before, Surroundings, Symbols

RECORDINGS = Path(__file__).parents[2] / "fixtures" / "mallocs"
HUGE_PAGES = ("thp", "hp")
"""How the names of parameters begin that go by the machine's huge pages."""


@dataclass
class RecordedTrace:
    """`lines` are (operation, what is told of it), or ("descriptor", ...)."""

    key: int
    brk: int
    below: bytes
    tunables: dict[str, int]
    stores: list[list[str]] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)
    end: str = ""


@dataclass
class Recording:
    """A malloc that was recorded: what is told of the process before, and its traces."""

    told: dict[str, list[list[str]]]
    traces: list[RecordedTrace]


def shape_of(name: str, pointer_size: int, tcache: bool = True) -> Traits:
    """Return the traits that are called `name`, "2.27" or "2.27.0"."""
    release = ".".join(name.split(".")[:2])
    return replace(next(each for each in variants(release, pointer_size) if each.name == name), has_tcache=tcache)


def read_recording(path: Path) -> Recording:
    """Return what is written in a recording; ValueError or KeyError where it is none."""
    told: dict[str, list[list[str]]] = {}
    traces: list[RecordedTrace] = []
    for line in path.read_text().splitlines():
        what, *words = line.split()
        if what == "trace":
            key, brk, below, *pairs = words
            tunables = {name: int(value) for name, value in (each.split("=") for each in pairs)}
            traces.append(RecordedTrace(int(key, 16), int(brk, 16), bytes.fromhex(below.strip("-")), tunables))
        elif not traces:
            told.setdefault(what, []).append(words)
        elif what == "store":
            traces[-1].stores.append(words)
        elif what == "end":
            traces[-1].end = line.partition(" ")[2]
        elif what == "descriptor":
            traces[-1].lines.append((what, line.partition(" ")[2]))
        else:
            operation, _, result = line.partition(" = ")
            traces[-1].lines.append((operation, result))
    return Recording(told, traces)


def _before(told: dict[str, list[list[str]]], brk: int) -> Before:
    """Return the process before, its break at `brk`: within a page where the dynamic linker has put something there."""
    pointer_size = int(told["word"][0][0])
    name, *without = told["shape"][0]
    symbols = Symbols(
        {each: int(offset, 16) for each, offset, _ in told["symbol"]},
        {each: int(size, 16) for each, _, size in told["symbol"]},
        name,
    )
    maps = "\n".join(f"{where} {permissions} 0 00:00 0 {' '.join(rest)}" for where, permissions, *rest in told["map"])
    if brk % PAGE:
        maps += f"\n{brk & -PAGE:x}-{(brk & -PAGE) + PAGE:x} rw-p 0 00:00 0 [heap]"
    surroundings = Surroundings(int(told["cores"][0][0]), told["huge-alignment"][0][0] == "1", PAGE)
    shape = shape_of(name, pointer_size, not without)
    return Before(pointer_size, maps, brk, symbols, shape, surroundings)


def _pages(before: Before, stores: Iterable[list[str]]) -> dict[int, bytes]:
    pages: dict[int, bytearray] = {}
    for address, value in ((int(where, 16), int(what, 16)) for where, what in stores):
        page = pages.setdefault(address & -PAGE, bytearray(PAGE))
        page[address % PAGE : address % PAGE + before.pointer_size] = value.to_bytes(before.pointer_size, "little")
    return {address: bytes(page) for address, page in pages.items()}


def play(recording: Recording, trace: RecordedTrace) -> Iterator[tuple[str, str, str]]:
    """Yield (operation, what the real malloc did, what the model does), line by line to the end of the trace."""
    before = _before(recording.told, trace.brk)
    first = {
        **_pages(before, [*recording.told["store"], *trace.stores]),
        trace.brk & -PAGE: trace.below.ljust(PAGE, b"\0"),
    }
    player = before.player(first.get, trace.tunables)
    player.process.machine.tcache_key = trace.key
    if trace.below:
        player.process.machine.memory.read(trace.brk & -PAGE, 1)  # a checksum is of the pages that were looked at
    end = "exit"
    for line, told in trace.lines:
        if line == "descriptor":
            address, data = told.split()
            player.process.machine.memory.write(int(address, 16), bytes.fromhex(data))
            continue
        try:
            yield line, told, perform(player, parse(line)[0], before.readable)
        except ModelError as error:
            end = how(error, trace.end)
            break
    yield "end", trace.end, end


def perform(player: Player, operation: Operation, before: SortedRanges) -> str:
    """Perform an operation of a trace; return what a recording says of it."""
    if operation.what == "k":
        return f"{player.process.machine.kernel.brk:x} {checksum(player, before):08x}"
    result = player.perform(operation)
    return f"{result.value:x} {result.usable}" if operation.what not in "fwsnTx" else ""


def how(error: ModelError, told: str) -> str:
    """Return how a process ends that the model ends with this error, in the words that were `told` of the real one if
    it is the same: around the expression of an assertion there is more."""
    if isinstance(error, Abort):
        return told if error.assertion and error.message in told else error.message
    return "SIGSEGV" if isinstance(error, Segv) else "hang"


def checksum(player: Player, before: SortedRanges) -> int:
    """Return a checksum of malloc's variables and of all pages with something in them that were not there `before`."""
    machine = player.process.machine
    arena = machine.main_arena + 8  # not the mutex
    sums = zlib.crc32(machine.memory.read(arena, machine.traits.arena_size - 8))
    for name in machine.traits.mp_members():
        if not name.startswith(HUGE_PAGES):
            sums = zlib.crc32(f"{name}={machine.parameter(name):x}".encode(), sums)
    new = machine.memory.accessible.copy()
    for start, end in before:
        new.remove(start, end)
    for number in sorted(machine.memory.touched()):
        page = machine.memory.page(number)
        if page and number << 12 in new and any(page):
            sums = zlib.crc32(page, zlib.crc32(number.to_bytes(8, "little"), sums))
    return sums
