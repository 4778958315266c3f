"""fixtures/programs/leaks_made.c: its own records of every block, and how a tool's verdicts compare with them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

KINDS = [
    "global",
    "interior",
    "tagged",
    "mapping",
    "mmapped",
    "thread_local",
    "specific",
    "xored",
    "lost",
    "chained",
    "stale_buffer",
    "stale_stack",
    "freed",
]
STALE = {"stale_buffer", "stale_stack"}
LOST = {"lost", "chained"} | STALE
CALLED_LOST = ("definitely", "indirectly")
_RECORD = np.dtype([("complement", "<u8"), ("size", "<u4"), ("kind", "<u4")])


@dataclass(frozen=True)
class Score:
    """How a tool did: `verdicts` are, for each kind of block, {verdict: how many}, `wrong` the numbers of the
    records that it calls lost and that are not. Blocks that a tool does not name have `default`."""

    verdicts: dict[str, dict[str, int]]
    wrong: frozenset[int]

    def lost(self, kinds: Collection[str], called: Collection[str] = CALLED_LOST) -> int:
        """Return how many blocks of these kinds have one of the verdicts `called`."""
        return sum(self.verdicts.get(kind, {}).get(name, 0) for kind in kinds for name in called)

    def precision(self, called: Collection[str] = CALLED_LOST) -> float:
        """Of the blocks `called` so, the part that is lost."""
        return self.lost(LOST, called) / max(self.lost(KINDS, called), 1)

    def recall(self, *kinds: str, called: Collection[str] = CALLED_LOST) -> float:
        """Of the blocks of these kinds, the part that is `called` so."""
        return self.lost(kinds, called) / max(sum(sum(self.verdicts[kind].values()) for kind in kinds), 1)

    @property
    def wrongly_lost(self) -> set[str]:
        """The kinds of blocks that are not lost, some of which are called so."""
        return {kind for kind in set(KINDS) - LOST if self.lost({kind})}


def score(output: bytes, kinds: dict[int, str], default: str = "no block") -> Score:
    """Return the score of a tool's {address: verdict} by the records in the program's output."""
    records = np.frombuffer(output[: -len(b"ready\n")], _RECORD)
    verdicts: dict[str, dict[str, int]] = {}
    wrong = set()
    addresses = (~records["complement"]).tolist()
    taken = {address for address, kind in zip(addresses, records["kind"].tolist()) if KINDS[kind] != "freed"}
    for number, (address, kind) in enumerate(zip(addresses, records["kind"].tolist())):
        name, verdict = KINDS[kind], kinds.get(address, default)
        if name == "freed" and address in taken:
            # The verdict is that of the block that was made there since.
            verdict = "taken again"
        counts = verdicts.setdefault(name, {})
        counts[verdict] = counts.get(verdict, 0) + 1
        if name not in LOST and verdict in CALLED_LOST:
            wrong.add(number)
    return Score(verdicts, frozenset(wrong))
