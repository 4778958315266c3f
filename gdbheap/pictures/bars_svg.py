"""Bars: a row for each thing, with parts of several kinds one behind the other; growth to both sides of a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gdbheap.lazy import dataclass
from gdbheap.pictures.svg import Svg, fitted
from gdbheap.report.printable import human_size

_WIDTH, _LABEL, _VALUE, _ROW, _HIGH = 900, 300, 170, 20, 13


@dataclass(frozen=True)
class Bar:
    """`parts` are (kind, how much) in order; `value` is what stands behind the bar ("": the sum)."""

    label: str
    parts: Sequence[tuple[str, int]]
    value: str = ""

    @property
    def sum(self) -> int:
        return sum(size for _, size in self.parts)


def bars_svg(
    title: str, bars: Sequence[Bar], legend: Mapping[str, str], unit: Callable[[int], str] = human_size
) -> Svg:
    """Draw the bars, all by one measure; one that is less than nothing goes to the left."""
    low = min(min((bar.sum for bar in bars), default=0), 0)
    high = max(max((bar.sum for bar in bars), default=0), 0)
    top = 24 if legend else 4
    svg = Svg(_WIDTH, top + len(bars) * _ROW + 4, title, f"{len(bars)} bars; the table below has the numbers.")
    svg.legend(_LABEL, legend.items())
    room = _WIDTH - _LABEL - _VALUE
    scale = room / max(high - low, 1)
    zero = _LABEL - low * scale
    for number, bar in enumerate(bars):
        y = top + number * _ROW
        svg.text(_LABEL - 8, y + 11, fitted(bar.label, _LABEL - 10), end=True)
        x = zero
        for kind, size in bar.parts:
            width = abs(size) * scale
            if size:
                svg.rect(x if size > 0 else x - width, y, max(width, 1), _HIGH, kind, f"{bar.label}: {unit(size)}")
            x += size * scale
        svg.text(max(x, zero) + 6, y + 11, bar.value or unit(bar.sum), "dim")
    svg.line(zero, top - 2, zero, top + len(bars) * _ROW, "rule")
    return svg


def stacked_svg(title: str, parts: Sequence[tuple[str, str, int]]) -> Svg:
    """Draw one bar of all parts (kind, words, size), and below it what each is."""
    total = max(sum(size for _, _, size in parts), 1)
    svg = Svg(
        _WIDTH, 44 + len(parts) * 18, title, "; ".join(f"{words}: {human_size(size)}" for _, words, size in parts)
    )
    x = 0.0
    for number, (kind, words, size) in enumerate(parts):
        width = _WIDTH * size / total
        share = f"{size / total:.1%}"
        svg.rect(x, 2, width, 26, kind, f"{words}: {human_size(size)}, {share}")
        svg.rect(x, 2, width, 26, "frame")
        if width > 18:
            svg.text(x + 3, 40, str(number + 1), "dim")
        x += width
        y = 58 + number * 18
        svg.text(20, y, f"{number + 1}", "dim", end=True)
        svg.rect(28, y - 10, 11, 11, kind)
        for end, text in ((120, human_size(size)), (184, share)):
            svg.text(end, y, text, end=True)
        svg.text(200, y, words)
    return svg
