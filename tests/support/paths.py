"""Traces made by hand for paths of malloc's that random calls seldom take: together with those they go every step, and
each trait shows.

In a text, {w} stands for the size of a word in bytes: at -{w} of a block is the chunk's size, at {w} the second
word, tcache's key; {large} for a block of which a thread's heap has room for three.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gdbheap.model.trace import Operation, parse


@dataclass(frozen=True)
class Path:
    """`text` with its tunables; `words` for which word sizes it is meant."""

    text: str
    tunables: tuple[tuple[str, int], ...] = ()
    words: tuple[int, ...] = (8, 4)

    def trace(self, pointer_size: int) -> list[Operation]:
        """Return the operations for `word` 8 or 4."""
        large = 20 << 20 if pointer_size == 8 else 300 << 10
        values = {
            "w": pointer_size,
            "2w": 2 * pointer_size,
            "large": large,
            "threshold": large + 4096,
            **_SMALL_TAIL_VALUES[pointer_size],
        }
        return parse(re.sub(r"{(\w+)}", lambda match: str(values[match[1]]), self.text))


# Sixteen blocks fill the tcache; one more becomes a chunk of a small bin, and its size is overwritten.
_SMALL_TAIL = "".join(
    (
        *(f"m {slot} {{aligned}}\n" for slot in range(1, 17)),
        "m 17 {before}\nm 18 {aligned}\nm 19 24\n",
        *(f"f {slot}\n" for slot in (*range(1, 17), 18)),
        "m 20 5000\nk\nw 18 -{w} {tail}\nw 18 {behind} {least}\na 21 32 100\n",
    )
)
_SMALL_TAIL_VALUES = {
    8: {"aligned": 184, "tail": 112 + 16 + 1, "behind": 112 + 8, "least": 33},
    4: {"aligned": 172, "tail": 112 + 8 + 1, "behind": 112 + 4, "least": 17},
}
PATHS = {
    "a size that is no multiple of the alignment": Path("m 1 5000\nm 2 24\nk\nw 1 -{w} 5017\nf 1\nk\n"),
    "too large for anything": Path("m 1 -1\nc 2 -1 1\nr 3 1 24\nk\nr 4 3 -1\na 5 64 -1\nc 6 3 100\nk\n"),
    "the first use of a tcache while a small bin serves": Path(
        "m 1 400\nm 2 24\nr 1 1 200\nk\nm 3 200\nk\nm 4 24\nf 3\nk\n"
    ),
    "more threads than arenas": Path(
        "m 1 24\n" + "n\n" * 10 + "k\n" + "".join(f"T {each}\nm {each + 1} 24\n" for each in range(1, 11)) + "k\n"
    ),
    "an unsorted chunk of just the size": Path("m 1 1200\nm 2 24\nf 1\nm 3 900\nk\nm 4 296\nk\n"),
    "large tcache bins": Path(
        "m 1 5000\nm 2 24\nm 3 300000\nf 1\nf 3\nk\nm 4 4500\nk\nc 5 1 4500\na 6 64 4500\nm 7 280000\nk\nf 5\nf 4\nm "
        "8 4600\nm 9 5000\nk\n",
        (("tcache_max", 4000000),),
    ),
    "too large, with another thread": Path("n\nk\nv 1 -15\nm 2 24\nk\nT 1\na 3 64 -1\nm 4 24\nT 0\nc 5 2 -9\nk\n"),
    "calloc of too much, with another thread": Path("n\nk\nc 1 2 -9\nk\nc 2 1 -9\nk\n"),
    "free of NULL before all else": Path("f 1\nk\nm 2 24\nk\n"),
    "an alignment that is none before all else": Path("p 1 3 24\nk\nf 1\nk\n"),
    "the same for aligned_alloc": Path("l 1 24 24\nk\nm 2 24\nk\n"),
    "the same for memalign": Path("a 1 -1 24\nk\nm 2 24\nk\n"),
    "a page too much before all else": Path("q 1 -1\nk\nm 2 24\nk\n"),
    "trimming before all else": Path("t 0\nk\nm 2 24\nk\n"),
    "a setting before all else": Path("o -2 4096\nk\nm 2 24\nk\n"),
    "realloc of NULL to too much before all else": Path("r 1 9 -9\nk\nm 2 24\nk\n"),
    "malloc of too much before all else": Path("m 1 -9\nk\nm 2 24\nk\n"),
    "a thread before all else": Path("n\nk\nT 1\nm 1 24\nk\n"),
    "calloc of too much before all else": Path("c 1 1 -9\nk\nm 2 24\nk\n"),
    "calloc that overflows before all else": Path("c 1 3 -9\nk\nm 2 24\nk\n"),
    "what mallopt takes": Path(
        "m 1 24\no 2 5\no 3 5\no 0 5\no -5 1\no -9 1\no -7 3\no -7 0\no -8 2\no -8 -1\no 1 177\no 1 -1\nk\nn\nn\nT "
        "1\nm 2 24\nT 2\nm 3 24\nk\n"
    ),
    "alignments that are none": Path("l 1 24 100\np 2 24 100\np 3 0 100\na 4 24 100\nl 5 0 100\na 6 -1 24\n"),
    # a thread's heap is full, a new one is made, and goes away when it is empty
    "a second heap and back": Path(
        "o -3 {threshold}\nn\nT 1\nm 1 {large}\nm 2 {large}\nk\nm 3 {large}\nm 4 {large}\nm 5 24\nk\nf 4\nf 3\nf "
        "5\nk\nf 2\nf 1\nm 6 100\n"
    ),
    "a thread ends, and its arena serves the next": Path(
        "n\nk\nT 1\nm 1 40\nm 2 3000\nf 2\nm 3 40\nT 0\nx 1\nf 1\nn\nk\nT 1\nm 4 40\nk\nf 3\nf 4\nx 1\n"
    ),
    # something is in the way of the break: the main arena goes on in mappings
    "a page above the break": Path(
        "m 1 3000\nB 10\no -4 0\nm 2 1506932\nk\nm 3 120000\nf 2\nk\nm 4 3000000\nf 4\nt 0\n"
    ),
    "a page right above the break": Path("m 1 24\nB 0\nm 2 120000\nk\nm 3 120000\nf 2\nf 3\nm 4 100000\nk\nt 0\n"),
    "the way up is free again": Path("b 5000\nm 1 120000\nb 4096\nm 2 120000\nk\nf 1\nf 2\nm 3 300\nt 0\n"),
    # the main arena is in two pieces then, and in 64 bit takes for granted that the break is aligned
    "the way up is free again, past an odd break": Path(
        "m 1 24\nB 300\no -4 0\nm 2 2000000\nb 5000\nk\nm 3 600000\nk\nm 4 24\n"
    ),
    # in 32 bit free would lower the break by more than a long holds
    "a top of two GiB": Path("o -4 0\nm 1 24\nm 2 1073741824\nm 3 1073741824\nf 2\nf 3\nk\nm 4 24\n", words=(4,)),
    "a threshold above half a heap": Path("o -3 40000000\nm 1 35000000\nm 2 600000\n"),
    "aligned blocks": Path("a 1 64 100\nm 2 24\na 3 256 40\nf 1\nf 3\na 4 64 100\nk\na 5 32 40\nf 2\na 6 4096 3000\n"),
    # memalign finds a block whose size was overwritten: it has two words more than asked for, or is too short once
    # its front is cut off, and what follows it looks free
    "a tail too small for a chunk": Path(_SMALL_TAIL.replace("{before}", "24")),
    "the same at the other half of 32": Path(_SMALL_TAIL.replace("{before}", "40")),
    "a block smaller than its bin's": Path(_SMALL_TAIL.replace("{before}", "24").replace("{tail}", "97")),
    "the same at the other half": Path(_SMALL_TAIL.replace("{before}", "40").replace("{tail}", "97")),
    "realloc to half": Path(
        "m 9 24\nf 9\nm 1 500\nm 2 24\nr 3 1 200\nk\nm 4 200\nm 5 3000\nm 6 24\nr 7 5 1500\nr 8 7 1516\n"
    ),
    # where a page of slack is good enough, the broken field before the block is not looked at
    "a mapping whose start is not where it says": Path(
        "m 1 200000\nr 2 1 197000\nr 3 2 180000\nk\nw 3 -{2w} 48\nr 4 3 179000\n"
    ),
    "a mapping resized within its pages": Path("m 1 200000\nr 2 1 200001\nr 3 2 199000\nr 4 3 190000\nr 5 4 190001\n"),
    "realloc to a little less": Path("m 1 24\nm 2 24\nm 3 24\nr 4 1 23\nk\nw 3 -{w} 1\nr 5 2 24\n"),
    # a block cached under one size is freed under another
    "freed into two lists": Path("m 1 24\nm 2 40\nf 1\nw 1 -{w} 49\nf 1\nk\nm 3 40\nm 4 24\n"),
    "a list longer than it may be": Path(
        "m 1 24\nm 2 24\nm 3 40\nf 1\nf 2\nf 3\nw 1 {w} 0\nw 1 -{w} 49\nf 1\nk\nw 3 -{w} 33\nf 3\n",
        (("tcache_count", 2),),
    ),
    "calloc of a block that says it is larger": Path(
        "m 1 24\nm 2 200\ns 1 65\ns 2 65\nf 1\nw 1 -{w} 81\nc 3 1 24\nk\nc 4 1 24\n"
    ),
    "a large bin whose ring is broken": Path(
        "m 1 2000\nm 2 24\nm 3 1990\nm 4 24\nf 1\nm 5 5000\nk\nw 1 {2w} 1094795585\nf 3\nm 6 5000\n"
    ),
}

CHURN = [Operation("m", (slot, 40 + slot % 7 * 24)) for slot in range(600)]
STEPWISE = [(Operation("m", (slot, 16 * (slot % 80))), Operation("f", (slot // 2,))) for slot in range(1200)]
LONG = {
    "stepwise": [each for slot, pair in enumerate(STEPWISE) for each in pair[: 1 if slot % 2 else 2]],
    "every other": [
        *CHURN,
        *(Operation("f", (slot,)) for slot in range(0, 600, 2)),
        *(Operation("m", (slot, 1000)) for slot in range(0, 600, 2)),
    ],
    "forth and back": CHURN + [Operation("f", (slot,)) for slot in reversed(range(600))],
    # malloc sorts at most 10000 of them at a time
    "11000 unsorted": [
        *(Operation("m", (slot, 1100 + 16 * (slot % 3))) for slot in range(22000)),
        *(Operation("f", (slot,)) for slot in range(0, 22000, 2)),
        Operation("m", (22000, 5000)),
        Operation("k"),
        Operation("m", (22001, 5000)),
    ],
}
# Five threads where there may be fewer arenas.
ARENAS = (
    "n\nn\nn\nn\nn\nT 1\nm 1 40\nT 2\nm 2 40\nT 3\nm 3 40\nk\nT 4\nm 4 40\nT 5\nm 5 40\nk\nT 0\nf 1\nf 3\nx "
    "2\nx 4\nn\nT 2\nm 6 40\nk\nT 1\nf 2\nf 4\n"
)
