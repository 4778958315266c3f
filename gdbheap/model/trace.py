"""Traces: sequences of allocator calls as text, the same for the model and for fixtures/programs/replay.c.

One operation a line; SLOT names a variable that keeps an address, also after its block was freed:

    m SLOT SIZE             malloc              v SLOT SIZE     valloc        w SLOT OFFSET VALUE   store a word at
    SLOT + OFFSET c SLOT COUNT SIZE       calloc              q SLOT SIZE     pvalloc       s SLOT BYTE
    fill the block r SLOT FROM SIZE        realloc FROM        f SLOT          free          b BYTES
    sbrk, by the program itself a SLOT ALIGNMENT SIZE   memalign            t PAD           malloc_trim   B PAGES
    map a page, so far above the break l SLOT ALIGNMENT SIZE   aligned_alloc       o PARAM VALUE   mallopt       n
    start a thread p SLOT ALIGNMENT SIZE   posix_memalign      k               checkpoint    T THREAD
    let thread THREAD go on (0: the first)
                                                                              x THREAD              thread THREAD
                                                                              ends and is joined
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gdbheap.model.errors import TraceError
from gdbheap.model.process import ModelProcess

ARGUMENTS = {
    "m": 2,
    "c": 3,
    "r": 3,
    "a": 3,
    "l": 3,
    "p": 3,
    "v": 2,
    "q": 2,
    "f": 1,
    "t": 1,
    "o": 2,
    "w": 3,
    "s": 2,
    "b": 1,
    "B": 1,
    "n": 0,
    "T": 1,
    "x": 1,
    "k": 0,
}
RETURNS_BLOCK = frozenset("mcralpvq")


@dataclass(frozen=True)
class Operation:
    """One line of a trace."""

    what: str
    arguments: tuple[int, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.what, *map(str, self.arguments)))


def parse(text: str) -> list[Operation]:
    """Return the operations of a trace; blank lines and those that start with # are passed over. Raises TraceError."""
    lines = enumerate(text.splitlines(), 1)
    return [_operation(number, line) for number, line in lines if line.strip() and not line.lstrip().startswith("#")]


def _operation(number: int, line: str) -> Operation:
    words = [(match.start(), match[0]) for match in re.finditer(r"\S+", line)]
    at, what = words[0]
    if what not in ARGUMENTS:
        raise TraceError(f"no operation {what!r}", number, line, at)
    wanted, given = ARGUMENTS[what], len(words) - 1
    if given != wanted:
        place = words[wanted + 1][0] if given > wanted else len(line.rstrip())
        raise TraceError(f"{what} takes {wanted} numbers, not {given}", number, line, place)
    return Operation(what, tuple(_number(number, line, *each) for each in words[1:]))


def _number(number: int, line: str, at: int, word: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise TraceError(f"{word!r} is no number", number, line, at) from None


def unparse(operations: Iterable[Operation]) -> str:
    """Return the text of a trace."""
    return "".join(f"{each}\n" for each in operations)


@dataclass(frozen=True)
class Result:
    """What an operation returned, and for a block how much of it is usable."""

    value: int
    usable: int = 0


class Player:
    """Performs operations on a modelled process, and keeps the slots and the ledger as replay.c does."""

    def __init__(self, process: ModelProcess) -> None:
        self.process = process
        self.slots: dict[int, int] = {}
        self.results: list[Result] = []
        self.current = 0

    def perform(self, operation: Operation) -> Result:
        """Perform one operation, checkpoints excepted; return its result. Raises what ends the process."""
        what, arguments = operation.what, operation.arguments
        if what in RETURNS_BLOCK:
            value = self._allocate(what, arguments)
            self.slots[arguments[0]] = value
            result = Result(value, self.process.malloc_usable_size(value) if value else 0)
        else:
            result = Result(self._other(what, arguments))
        self.results.append(result)
        return result

    def _allocate(self, what: str, arguments: tuple[int, ...]) -> int:
        process, mask = self.process, self.process.machine.mask
        first = arguments[1]
        size = arguments[-1] & mask
        if what == "m":
            return process.malloc(size)
        if what == "c":
            return process.calloc(first & mask, size)
        if what == "r":
            return process.realloc(self.slots.get(first, 0), size)
        if what == "a":
            return process.memalign(first & mask, size)
        if what == "l":
            return process.aligned_alloc(first & mask, size)
        if what == "p":
            return process.posix_memalign(first & mask, size)
        return process.valloc(size) if what == "v" else process.pvalloc(size)

    def _other(self, what: str, arguments: tuple[int, ...]) -> int:
        process = self.process
        machine = process.machine
        if what == "f":
            process.free(self.slots.get(arguments[0], 0))
        elif what == "t":
            return process.malloc_trim(arguments[0])
        elif what == "o":
            return process.mallopt(*arguments)
        elif what == "b":
            old = process.sbrk(arguments[0])
            return machine.mask if old is None else old
        elif what == "B":
            return process.map_above_break(arguments[0] * machine.page_size)
        elif what == "w":
            machine.store(self.slots[arguments[0]] + arguments[1], arguments[2])
        elif what == "s":
            block = self.slots[arguments[0]]
            machine.memory.write(block, bytes([arguments[1]]) * process.malloc_usable_size(block))
        elif what == "n":
            process.create_thread()
        elif what == "T":
            self.current = arguments[0]
            process.switch(self.current)
        elif what == "x":
            process.exit_thread(arguments[0])
            process.switch(0)
            process.join_thread(arguments[0])
            process.switch(self.current)
        return 0
