"""The ledger that a program of fixtures/programs writes, read back: the oracle of the live tests.

It knows nothing of gdbheap, and of malloc only what its events say and a few sentences of the manual: what a thread
frees goes to that thread's tcache while the list for that size has room, then (small, to glibc 2.42) to a fastbin,
both last in first out.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Event:
    """`what` is m (handed out), f (freed), s (taken by the system for itself) or n (a note on what follows)."""

    what: str
    thread: int
    pointer: int
    requested: int
    usable: int
    size_word: int
    note: str


@dataclass(frozen=True)
class Block:
    """A block of the user's: `part` is the note under which it was handed out or, once freed, freed."""

    pointer: int
    requested: int
    usable: int
    size_word: int
    thread: int
    part: str

    @property
    def size(self) -> int:
        """The chunk's size."""
        return self.size_word & ~7

    @property
    def is_mmapped(self) -> bool:
        """Whether the chunk has a mapping of its own."""
        return bool(self.size_word & 2)


@dataclass
class Ledger:
    """`live`, `freed` and `system` are by pointer; `freed` holds what was not handed out again, in the order of the
    frees."""

    glibc: tuple[int, int] = (0, 0)
    pid: int = 0
    facts: dict[str, str] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    live: dict[int, Block] = field(default_factory=dict)
    freed: dict[int, Block] = field(default_factory=dict)
    system: dict[int, Block] = field(default_factory=dict)
    mallinfo: dict[str, int] = field(default_factory=dict)
    malloc_info: ElementTree.Element | None = None

    @property
    def tcache_limit(self) -> int:
        """How many chunks a list of a tcache holds unless told otherwise."""
        return 16 if self.glibc >= (2, 43) else 7

    @property
    def threads(self) -> list[int]:
        """The lwps that did anything, in order of appearance."""
        return list(dict.fromkeys(event.thread for event in self.events))


@dataclass
class FreeLists:
    """What the frees alone predict, heads first: tcache by (thread, chunk size), fastbins by chunk size, and the
    rest as it was freed."""

    tcache: dict[tuple[int, int], list[int]]
    fastbins: dict[int, list[int]]
    rest: dict[int, Block]


def read_ledger(text: str) -> Ledger:
    """Return what the lines say: the events up to "ready" and, where the program has gone on, its totals."""
    story, _, totals = text.partition("ready\n")
    ledger, part = Ledger(), ""
    for line in story.splitlines():
        words = line.split(" ", 6)
        if words[0] in ("m", "f", "s", "n"):
            event = Event(
                words[0], int(words[1]), _pointer(words[2]), int(words[3]), int(words[4]), int(words[5], 16), words[6]
            )
            part = event.note if event.what == "n" else part
            ledger.events.append(event)
            _enter(ledger, event, part)
        elif words[0] == "glibc":
            major, minor = words[1].split(".")[:2]
            ledger.glibc = (int(major), int(minor))
        elif words[0] == "pid":
            ledger.pid = int(words[1])
        else:
            ledger.facts[words[0]] = words[1]
    for name, value in re.findall(r"^mallinfo (\w+) (\d+)$", totals, re.MULTILINE):
        ledger.mallinfo[name] = int(value)
    xml = totals.find("<malloc")
    if xml >= 0:
        ledger.malloc_info = ElementTree.fromstring(totals[xml:])
    return ledger


def predicted_free_lists(ledger: Ledger, pointer_size: int) -> FreeLists:
    """Return where the freed blocks must be, for a story that hands out nothing from the lists that it filled."""
    largest_cached = 0x410 if pointer_size == 8 else 0x400
    largest_fast = (16 * pointer_size if ledger.glibc < (2, 43) else 0) or -1
    tcache: dict[tuple[int, int], list[int]] = defaultdict(list)
    fastbins: dict[int, list[int]] = defaultdict(list)
    rest: dict[int, Block] = {}
    for pointer, block in ledger.freed.items():
        size = block.size
        cached = tcache[block.thread, size]
        if size <= largest_cached and len(cached) < ledger.tcache_limit:
            cached.insert(0, pointer)
        elif size <= largest_fast:
            fastbins[size].insert(0, pointer)
        else:
            rest[pointer] = block
    return FreeLists({key: found for key, found in tcache.items() if found}, dict(fastbins), rest)


def _enter(ledger: Ledger, event: Event, part: str) -> None:
    block = Block(event.pointer, event.requested, event.usable, event.size_word, event.thread, part)
    if event.what == "m":
        assert event.pointer not in ledger.live, f"{event.pointer:#x} was handed out twice"
        ledger.freed.pop(event.pointer, None)
        ledger.live[event.pointer] = block
    elif event.what == "f":
        taken = ledger.live.pop(event.pointer)
        ledger.freed[event.pointer] = replace(taken, thread=event.thread, part=part)
    elif event.what == "s":
        ledger.system[event.pointer] = block


def _pointer(text: str) -> int:
    return 0 if text == "(nil)" else int(text, 16)
