"""One bar of all parts in letters: each part as long as its share, and in a letter of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gdbheap.report.report import Line

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_TOKENS = ("state.in_use", "chunk.0", "chunk.1", "chunk.2", "chunk.3")
_WIDTH = 76


def bar_line(sizes: Sequence[int], width: int = _WIDTH) -> Iterator[Line]:
    """Yield the bar, where there is anything to show; the letter of a part is that of its place. What is less than half
    a letter is not drawn."""
    total = sum(sizes)
    if total <= 0:
        return
    pieces, done, drawn = [("dim", "[")], 0, 0
    for place, size in enumerate(sizes):
        done += size
        end = round(done / total * width)
        if end > drawn:
            pieces.append((_TOKENS[place % len(_TOKENS)], letter_of(place) * (end - drawn)))
            drawn = end
    yield Line((*pieces, ("dim", "]")))


def letter_of(place: int) -> str:
    """Return the letter of the part at a place."""
    return LETTERS[place % len(LETTERS)]
