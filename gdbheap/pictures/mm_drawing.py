"""The address space drawn from high addresses to low: areas as boxes with the kernel's bounds in them, gaps, and
which way each grows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from gdbheap.analysis.mappings.memory_layout import HEAP, KERNEL, MAPPINGS, PROGRAM, STACK, Area
from gdbheap.counted import counted
from gdbheap.lazy import dataclass
from gdbheap.process.mm import MM, UNLIMITED
from gdbheap.report.printable import human_size
from gdbheap.report.report import Line

_TITLES = {
    STACK: "main stack",
    MAPPINGS: "mappings",
    HEAP: "heap (brk)",
    PROGRAM: "program",
    KERNEL: "the kernel's own",
}
_KINDS_SHOWN = 6


@dataclass(frozen=True)
class Drawing:
    """What is drawn: the areas from high to low, `end` of user space (None: not known), the bounds' names by address
    ("brk"), the program's path."""

    areas: Sequence[Area]
    end: int | None
    names: Mapping[int, Sequence[str]]
    mm: MM
    program: str

    def lines(self) -> Iterator[Line]:
        """Yield the lines."""
        width = max((len(f"{address:#x}") for address in self._addresses()), default=0)
        return (
            _line(f"{address:#x}" if address is not None else "", width, *pieces) for address, *pieces in self._rows()
        )

    def _addresses(self) -> Iterator[int]:
        yield from (area.end for area in self.areas)
        yield from self.names
        yield self.end or 0

    def _rows(self) -> Iterator[tuple[int | None, str, str, str]]:
        """Yield (address, glyph, text, names) for each line."""
        above, end_drawn = None, self.end is None
        for area in self.areas:
            if not end_drawn and self.end is not None and area.end <= self.end:
                yield self.end, "═", "end of user space", ""
                above, end_drawn = self.end, True
            if above is not None:
                yield from self._gap(above, area.end)
            yield from self._box(area, above)
            above = area.start
        if above:
            yield from self._gap(above, 0)
            yield 0, "═", "NULL", ""

    def _gap(self, top: int, bottom: int) -> Iterator[tuple[int | None, str, str, str]]:
        """Yield what is drawn of a gap: the bounds in it, and its size."""
        marks = sorted((address for address in self.names if bottom < address < top), reverse=True)
        for address in marks:
            yield None, "┊", human_size(top - address), ""
            yield address, "┊", "", self._named(address)
            top = address
        if top > bottom:
            yield None, "┊", human_size(top - bottom), ""

    def _box(self, area: Area, above: int | None) -> Iterator[tuple[int | None, str, str, str]]:
        if self._grows_up(area):
            yield None, "↑", "brk grows up" if area.kind == HEAP else "new mappings are placed above", ""
        # Where two boxes touch, the bounds there stand at the bottom of the upper one.
        yield area.end, "┌", self._title(area), self._named(area.end) if area.end != above else ""
        if contents := _contents(area):
            yield None, "│", contents, ""
        for address in sorted((each for each in self.names if area.start < each < area.end), reverse=True):
            yield address, "│", "", self._named(address)
        yield area.start, "└", "", self._named(area.start)
        if down := self._grows_down(area):
            yield None, "↓", down, ""

    def _named(self, address: int) -> str:
        names = self.names.get(address, ())
        return "← " + ", ".join(names) if names else ""

    def _title(self, area: Area) -> str:
        size = human_size(area.mapped)
        if area.kind in (MAPPINGS, PROGRAM):
            name = f"program {self.program}" if area.kind == PROGRAM else "mappings"
            gaps = f", and {human_size(area.gaps)} of gaps" if area.gaps else ""
            return f"{name}: {size} in {area.count} mapping{'s' if area.count > 1 else ''}{gaps}"
        return f"{_TITLES[area.kind]}: {size}"

    def _grows_up(self, area: Area) -> bool:
        bottom = self.mm.get("mmap_bottom")
        return area.kind == HEAP or (area.kind == MAPPINGS and bottom is not None and area.start == bottom)

    def _grows_down(self, area: Area) -> str:
        if area.kind == MAPPINGS and area.end == self.mm.get("mmap_top"):
            return "new mappings are placed below"
        if area.kind != STACK:
            return ""
        limit = self.mm.stack_limit
        if limit is None:
            return "the stack grows down"
        if limit == UNLIMITED:
            return "the stack grows down, without a limit"
        return f"the stack grows down, to {max(area.end - limit, 0):#x} (limit {human_size(limit)})"


def _contents(area: Area) -> str:
    """Return the kinds of what is in the area with their sizes, the largest first; "" where there is one alone."""
    sizes: Counter[str] = Counter()
    for part in area.parts:
        sizes[part.kind] += part.size
    if len(sizes) < 2:
        return ""
    ordered = sizes.most_common()
    own = "program_" if area.kind == PROGRAM else ""
    words = [f"{kind[len(own) :].replace('_', ' ')} {human_size(size)}" for kind, size in ordered[:_KINDS_SHOWN]]
    rest = ordered[_KINDS_SHOWN:]
    if rest:
        words.append(f"{counted(len(rest), 'other kind')} {human_size(sum(size for _, size in rest))}")
    return ", ".join(words)


def _line(address: str, width: int, glyph: str, text: str, names: str) -> Line:
    pieces = [("address", f"{address:>{width}}"), ("dim", f"  {glyph} ")]
    if text:
        pieces.append(("heading" if glyph == "┌" else "", text))
    if names:
        pieces.append(("symbol", f"  {names}" if text else names))
    return Line(tuple(pieces))
