"""Traces made of plain numbers, so that hypothesis can shrink them: any list of triples is a valid trace."""

from __future__ import annotations

from dataclasses import dataclass

from gdbheap.model.sizes import Sizes
from gdbheap.model.trace import RETURNS_BLOCK, Operation
from gdbheap.model.traits import Traits

Triple = tuple[int, int, int]
"""(what, which, how large), each 0..65535."""


@dataclass(frozen=True)
class Flavour:
    """What a trace is made of: weights of the operations, and of the kinds of sizes."""

    name: str
    operations: dict[str, int]
    sizes: dict[str, int]
    most_live: int = 200
    first: tuple[Operation, ...] = ()


_CALLS = {"m": 30, "f": 36, "c": 6, "r": 12, "a": 3, "l": 1, "p": 1, "v": 1, "q": 1, "k": 4}
_SETTINGS = {"t": 2, "o": 2, "b": 1, "B": 1}
_NO_MAPPINGS = Operation("o", (-4, 0))
FLAVOURS = (
    Flavour("small", {**_CALLS}, {"tiny": 10, "edge": 3}),
    Flavour("mixed", {**_CALLS, **_SETTINGS, "s": 4}, {"tiny": 6, "edge": 8, "large": 4, "huge": 1}),
    Flavour("large", {**_CALLS}, {"edge": 2, "large": 10}),
    Flavour("few sizes", {**_CALLS, "s": 6}, {"few": 10, "large": 1}),
    Flavour("huge", {**_CALLS, **_SETTINGS}, {"edge": 2, "huge": 6, "large": 3}, most_live=30),
    Flavour("threads", {**_CALLS, "n": 3, "T": 14, "x": 2, "t": 1}, {"tiny": 6, "edge": 3, "large": 4, "huge": 1}),
    Flavour("broken", {**_CALLS, "w": 8, "F": 3, "t": 1}, {"tiny": 3, "few": 10, "large": 2}, most_live=40),
    Flavour("broken, threads", {**_CALLS, "w": 8, "F": 3, "n": 2, "T": 10}, {"few": 10, "large": 4}, most_live=40),
    Flavour("threads, large", {**_CALLS, "n": 3, "T": 14, "x": 2}, {"edge": 1, "large": 4, "huge": 6}, most_live=60),
    Flavour(
        "full heaps",
        {**_CALLS, "n": 4, "T": 14, "x": 2, "t": 1},
        {"edge": 1, "large": 2, "heap": 10},
        most_live=24,
        first=(_NO_MAPPINGS,),
    ),
)
"""The broken ones overwrite what malloc keeps in and around blocks, and free blocks twice: most end in an abort."""
_ALIGNMENTS = (8, 16, 32, 64, 128, 256, 1024, 4096, 8192, 65536, 24, 0, 3, 1 << 20)


def edges(traits: Traits) -> list[int]:
    """Return requests at, just below and just above each boundary of malloc's paths."""
    sizes = Sizes(traits)
    pointer_size = traits.pointer_size
    chunks = [
        sizes.min_size,
        64 * pointer_size // 4 + pointer_size,  # fastbins by default
        80 * pointer_size // 4 + pointer_size,  # fastbins at most
        sizes.min_large,
        sizes.min_size + 63 * sizes.align,  # tcache
        3 * 1024,
        48 << 6,
        20 << 9,
        10 << 12,
        4 << 15,
        2 << 18,
        0x10000,  # trimming
        0x20000,  # top_pad, mmap_threshold
        4096,
        traits.tcache_size + pointer_size,
        0x21000,
    ]
    found = {max(0, chunk - pointer_size + delta) for chunk in chunks for delta in (-17, -16, -1, 0, 1, 15, 16, 17)}
    return sorted(found | {0, 1, 24, 25})


class Builder:
    """Makes operations of triples."""

    def __init__(self, traits: Traits, flavour: Flavour) -> None:
        self._traits = traits
        self._flavour = flavour
        self._edges = edges(traits)
        self._operations = [what for what, weight in flavour.operations.items() for _ in range(weight)]
        self._sizes = [kind for kind, weight in flavour.sizes.items() for _ in range(weight)]
        self._live: list[int] = []
        self._requests: dict[int, int] = {}
        self._slots = 0
        self._threads: list[int] = [0]
        self._created = 0
        self._current = 0

    def build(self, triples: list[Triple]) -> list[Operation]:
        """Return a trace with one operation for a triple, and a checkpoint behind the first block (it tells what
        tcache_key is) and each new thread."""
        trace: list[Operation] = list(self._flavour.first)
        for triple in triples:
            trace.append(self._operation(*triple))
            if trace[-1].what == "n" or (trace[-1].what in RETURNS_BLOCK and len(self._requests) == 1):
                trace.append(Operation("k"))
        return trace

    def _operation(self, what: int, which: int, size: int) -> Operation:
        kind = self._operations[what % len(self._operations)]
        if kind in "mcalpvq" and len(self._live) >= self._flavour.most_live:
            kind = "f"
        if kind in "fr" and not self._live:
            kind = "m"
        if kind == "f":
            return Operation("f", (self._live.pop(which % len(self._live)),))
        if kind in "mcralpvq":
            return self._allocation(kind, which, size)
        return self._other(kind, which, size)

    def _allocation(self, kind: str, which: int, size: int) -> Operation:
        request = self._request(which, size)
        if kind == "r":
            old = self._live.pop(which % len(self._live))
            slot = self._new_slot(request)
            if not request:
                self._live.pop()
            return Operation("r", (slot, old, request))
        slot = self._new_slot(request)
        if kind == "c":
            count = which % 5 + 1 if request > 0 else 1
            return Operation("c", (slot, count, -(-request // count)))
        if kind in "alp":
            return Operation(kind, (slot, _ALIGNMENTS[which % len(_ALIGNMENTS)], request))
        return Operation(kind, (slot, request))

    def _new_slot(self, request: int) -> int:
        self._slots += 1
        self._requests[self._slots] = request
        self._live.append(self._slots)
        return self._slots

    def _request(self, which: int, size: int) -> int:
        kind = self._sizes[size % len(self._sizes)]
        size //= len(self._sizes)
        if kind == "tiny":
            return size % 300
        if kind == "few":
            return (24, 40, 100, 120, 200, 500, 1000, 1032)[size % 8]
        if kind == "edge":
            return self._edges[size % len(self._edges)]
        if kind == "large":
            return 1000 + size * 13 % 70000
        if kind == "heap":
            return self._traits.heap_max // (3 + size % 11) - which % 5000
        return (
            100000 + which * 10,
            0x20000 + which * 16,
            1 << 20,
            (1 << 21) - 16,
            600000 + which,
            40 << 20,
            1 << (8 * self._traits.pointer_size - 2),
            -1 - which % 64,
        )[size % 8]

    def _damage(self, kind: str, which: int, size: int) -> Operation:
        """Free a block once more, or overwrite a word where a size, a footer or a link may be."""
        slot = sorted(self._requests)[which % len(self._requests)]
        if kind == "F":
            return Operation("f", (slot,))
        pointer_size = self._traits.pointer_size
        chunk = Sizes(self._traits).chunk_size(self._requests[slot]) or 32
        offset = (
            -pointer_size,
            -pointer_size,
            -2 * pointer_size,
            chunk - pointer_size,
            chunk - pointer_size,
            chunk - 2 * pointer_size,
            0,
            pointer_size,
            2 * pointer_size,
            3 * pointer_size,
        )[size % 10]
        values = (
            0,
            1,
            0x21,
            0x31,
            0x20,
            0x91,
            0x421,
            0x1001,
            chunk,
            chunk + 17,
            chunk + 1,
            chunk + 2,
            chunk + 5,
            2 * chunk + 1,
            0x41414141,
            7,
            0x20D51,
        )
        return Operation("w", (slot, offset, values[size // 10 % len(values)]))

    def _other(self, kind: str, which: int, size: int) -> Operation:
        if kind == "s" and self._live:
            return Operation("s", (self._live[which % len(self._live)], size % 256))
        if kind in "wF" and self._requests:
            return self._damage(kind, which, size)
        if kind == "t":
            return Operation("t", ((0, 1000, 0x20000, 0x40000)[which % 4],))
        if kind == "o":
            parameter = (1, -1, -2, -3, -4)[which % 5]
            values = {
                1: (0, 7, 64, 80, 160, 200),
                -1: (0x8000, 0x20000, 1 << 20),
                -2: (0, 1, 0x20000, 65537),
                -3: (400, 0x1000, 70000, 1 << 20, 1 << 29),
                -4: (0, 2, 65536),
            }
            return Operation("o", (parameter, values[parameter][size % len(values[parameter])]))
        if kind == "B":
            return Operation("B", ((0, 1, 30, 300)[which % 4],))
        if kind == "b":
            return Operation("b", ((24, 4096, 5000, 0)[which % 4],))
        if kind == "n":
            if self._created >= 20:
                return Operation("k")
            index = next(each for each in range(1, 24) if each not in self._threads)
            self._threads.append(index)
            self._created += 1
            return Operation("n")
        if kind == "T":
            self._current = self._threads[which % len(self._threads)]
            return Operation("T", (self._current,))
        others = [each for each in self._threads[1:] if each != self._current]
        if kind == "x" and others:
            self._threads.remove(others[which % len(others)])
            return Operation("x", (others[which % len(others)],))
        return Operation("k")
