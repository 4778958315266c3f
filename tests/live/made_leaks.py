"""fixtures/programs/leaks_made.c: its own records of every block, and how a tool's verdicts compare with them."""

from __future__ import annotations

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
_RECORD = np.dtype([("complement", "<u8"), ("size", "<u4"), ("kind", "<u4")])


@dataclass(frozen=True)
class Score:
    """How a tool did: `verdicts` are, for each kind of block, {verdict: how many}. Blocks that a tool does not name have `default`."""

    verdicts: dict[str, dict[str, int]]

    def _lost(self, kinds: set[str]) -> int:
        return sum(self.verdicts[kind].get(name, 0) for kind in kinds for name in ("definitely", "indirectly"))

    @property
    def precision(self) -> float:
        """Of the blocks called definitely or indirectly lost, the part that is lost."""
        return self.precision_without(set())

    def precision_without(self, kinds: set[str]) -> float:
        """Return the precision among the blocks of the other kinds."""
        counted = set(self.verdicts) - kinds
        return self._lost(LOST & counted) / max(self._lost(counted), 1)

    @property
    def wrongly_lost(self) -> set[str]:
        """The kinds of blocks that are not lost, some of which are called so."""
        return {kind for kind in set(self.verdicts) - LOST if self._lost({kind})}

    def recall(self, kind: str) -> float:
        """Of the lost blocks of a kind, the part that is called definitely or indirectly lost."""
        return self._lost({kind}) / max(sum(self.verdicts[kind].values()), 1)


def score(output: bytes, kinds: dict[int, str], default: str = "no block") -> Score:
    """Return the score of a tool's {address: verdict} by the records in the program's output."""
    records = np.frombuffer(output[: -len(b"ready\n")], _RECORD)
    verdicts: dict[str, dict[str, int]] = {}
    for address, kind in zip((~records["complement"]).tolist(), records["kind"].tolist()):
        counts = verdicts.setdefault(KINDS[kind], {})
        verdict = kinds.get(address, default)
        counts[verdict] = counts.get(verdict, 0) + 1
    return Score(verdicts)
