"""Counts with their nouns: "1 block", "1,234 blocks"."""

from __future__ import annotations


def counted(count: int, one: str, many: str = "") -> str:
    """Return the count with its noun; `many` where the plural is not `one` with an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
