"""The address space from high addresses to low, each area and each gap as high as the logarithm of its size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from gdbheap.analysis.mappings.memory_layout import HEAP, KERNEL, MAPPINGS, PROGRAM, STACK, Area
from gdbheap.pictures.svg import Svg, fitted
from gdbheap.report.printable import human_size

_LEFT, _BOX, _RIGHT, _DOUBLING, _LEAST = 160, 200, 540, 3.4, 20.0
_KINDS = {STACK: "other", MAPPINGS: "top", HEAP: "live", PROGRAM: "free", KERNEL: "given_back"}
_TITLES = {
    STACK: "main stack",
    MAPPINGS: "mappings",
    HEAP: "brk heap",
    PROGRAM: "program",
    KERNEL: "the kernel's own",
}


def space_svg(areas: Sequence[Area], names: Mapping[int, Sequence[str]], end: int | None) -> Svg:
    """Draw the areas, which come from high to low; `names` are the bounds by address ("brk"), `end` is that of user
    space (None: not known)."""
    pieces = [(top, bottom, area, _marks(names, bottom, top)) for top, bottom, area in _pieces(areas)]
    height = sum(_height(top - bottom, marks) for top, bottom, _, marks in pieces)
    told = "; ".join(f"{_TITLES[each.kind]}, {human_size(each.mapped)} at {each.start:#x}" for each in areas)
    svg = Svg(_LEFT + _BOX + _RIGHT, height + 24, "Address space, on a logarithmic scale", told)
    y = 12.0
    for top, bottom, area, marks in pieces:
        high = _height(top - bottom, marks)
        svg.text(_LEFT - 8, y + 4, f"{top:#x}", "dim", end=True)
        svg.rect(_LEFT, y, _BOX, high, "gap" if area is None else _KINDS[area.kind])
        svg.rect(_LEFT, y, _BOX, high, "gap" if area is None else "frame")
        beyond = end is not None and top > end
        gap = "beyond user space" if beyond else f"{human_size(top - bottom)} not mapped"
        text = gap if area is None else _told(area)
        svg.text(_LEFT + _BOX + 10, y + 14, fitted(text, _RIGHT - 10), "dim" if area is None else "strong")
        if marks:
            svg.text(_LEFT + _BOX + 10, y + 28, fitted(f"← {marks}", _RIGHT - 10), "dim")
        y += high
    svg.text(_LEFT - 8, y + 4, f"{pieces[-1][1]:#x}" if pieces else "", "dim", end=True)
    return svg


def _pieces(areas: Sequence[Area]) -> Iterator[tuple[int, int, Area | None]]:
    """Yield (top, bottom, the area or None) of the areas and of the gaps between them, the last down to 0."""
    above = None
    for area in areas:
        if above is not None and above > area.end:
            yield above, area.end, None
        yield area.end, area.start, area
        above = area.start
    if above:
        yield above, 0, None


def _marks(names: Mapping[int, Sequence[str]], bottom: int, top: int) -> str:
    inside = [address for address in sorted(names, reverse=True) if bottom <= address < top]
    return ", ".join(f"{name} {address:#x}" for address in inside for name in names[address])


def _height(size: int, marks: str) -> float:
    return max(_LEAST + _DOUBLING * max(math.log2(max(size, 1)) - 12, 0), 36.0 if marks else 0.0)


def _told(area: Area) -> str:
    count = f" in {area.count:,} mappings" if area.count > 1 else ""
    gaps = f", {human_size(area.gaps)} of gaps" if area.gaps else ""
    return f"{_TITLES[area.kind]}: {human_size(area.mapped)}{count}{gaps}"
