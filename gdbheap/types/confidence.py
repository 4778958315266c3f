"""How far a name can be trusted: part of every name."""

from __future__ import annotations

import enum


class Confidence(enum.IntEnum):
    """How far what a block is called may be relied on. CERTAIN: the evidence leaves no other name; LIKELY: others are
    conceivable and nothing speaks for them; POSSIBLE: several are as good."""

    NONE = 0
    POSSIBLE = 1
    LIKELY = 2
    CERTAIN = 3

    @property
    def label(self) -> str:
        """The name in text and JSON: "certain", ..."""
        return self.name.lower()
