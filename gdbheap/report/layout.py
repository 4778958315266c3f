"""Where a table's columns stand on a terminal that may be too narrow for them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from gdbheap.lazy import dataclass
from gdbheap.report.printable import display_width
from gdbheap.report.report import Column, Cut

GAP = "  "
# What does not fit beside the columns before stands below them, this far in.
INDENT = "    "
# Prose in a column of its own wants so much room; while it has as much as the second, lines are rather broken than a
# column left out.
_ROOM_FOR_PROSE = 24
_READABLE_PROSE = 48


@dataclass(frozen=True)
class Placed:
    """A column that is shown: its `number` among those of the table that may be, and the width that it has.
    `is_wrapped`: its cells are broken at words, and go on below themselves."""

    number: int
    column: Column
    width: int
    cut: Cut | None = None
    is_wrapped: bool = False

    def heading(self) -> list[str]:
        """Return the heading, in lines where the column is narrower than it."""
        return textwrap.wrap(heading_of(self.column), max(self.width, 1), break_long_words=False) or [""]


def heading_of(column: Column) -> str:
    """Return what stands above a column."""
    return column.name.replace("_", " ") if column.heading is None else column.heading


def laid_out(columns: Sequence[Column], widths: Sequence[int], width: int | None) -> list[list[Placed]]:
    """Return the columns, as wide as what is in them (`widths`) and their headings; where that is more than `width`,
    those with nothing in them are left out, the others give way in their order, headings are broken into lines, a last
    column of text is broken at words, and what still finds no room stands on further lines."""
    placed = [
        Placed(number, column, max(widths[number], display_width(heading_of(column))))
        for number, column in enumerate(columns)
    ]
    if width is None or _needed(placed) <= width:
        return [placed]
    placed = [each for each in placed if widths[each.number]] or placed
    whole = {each.number: each.width for each in placed}
    lines = _divided(placed, widths, width)
    if len(lines) > 1:
        # Where a row takes several lines anyhow, none of its columns need be left out for that.
        all_there = _divided(placed, widths, width, may_leave_out=False)
        lines = all_there if len(all_there) == len(lines) else lines
    # What was cut gets back what room there is.
    rooms = [width, *(_below(width) for _ in lines[1:])]
    best = _least_cut(lines, whole, rooms) if len(lines) > 1 else lines
    return [_broken_at_last(_widened(line, whole, room), room) for line, room in zip(best, rooms)]


def _divided(
    placed: Sequence[Placed], widths: Sequence[int], width: int, may_leave_out: bool = True
) -> list[list[Placed]]:
    """Return the columns in lines, having given way."""
    narrow = _with_short_headings(_given_way([*placed], width, may_leave_out), widths, width)
    return list(_in_lines(_with_broken_prose(narrow, width), width))


def _broken_at_last(line: list[Placed], room: int) -> list[Placed]:
    """Return the columns of a line, a text that is wider than its room broken at words."""
    last, excess = line[-1], _needed(line) - room
    if excess > 0 and _is_prose(last) and last.width > excess:
        line[-1] = replace(last, width=last.width - excess, is_wrapped=True)
    return line


def _needed(placed: Sequence[Placed]) -> int:
    return sum(each.width for each in placed) + len(GAP) * (len(placed) - 1)


def _given_way(placed: list[Placed], width: int, may_leave_out: bool) -> list[Placed]:
    """Return the columns, those that give way cut or left out as far as is needed."""
    steps = [(step, each.number) for each in placed for step in each.column.gives if step.least or may_leave_out]
    for step, number in sorted(steps, key=lambda each: each[0].order):
        excess = _needed(placed) - width
        if excess <= 0:
            break
        at = next(index for index, each in enumerate(placed) if each.number == number)
        if not step.least:
            if _is_prose(placed[-1]) and placed[-1].width - excess >= _READABLE_PROSE:
                break
            del placed[at]
        elif placed[at].width > step.least:
            placed[at] = replace(placed[at], width=max(placed[at].width - excess, step.least), cut=step.cut)
    return placed


def _is_prose(placed: Placed) -> bool:
    return placed.column.format == "text" and placed.cut is None


def _with_short_headings(placed: list[Placed], widths: Sequence[int], width: int) -> list[Placed]:
    """Return the columns, those narrower whose headings are wider than what is below them: the widest first, as far
    as is needed."""
    for each in sorted(placed, key=lambda each: widths[each.number] - each.width):
        excess = _needed(placed) - width
        words = max(map(display_width, heading_of(each.column).split()), default=0)
        least = max(widths[each.number], words)
        if excess > 0 and each.cut is None and least < each.width:
            placed[placed.index(each)] = replace(each, width=max(least, each.width - excess))
    return placed


def _with_broken_prose(placed: list[Placed], width: int) -> list[Placed]:
    """Return the columns, the last one as narrow as fits, if it is of text and has room enough then."""
    *others, last = placed
    room = last.width - (_needed(placed) - width)
    if _is_prose(last) and _ROOM_FOR_PROSE <= room < last.width:
        last = replace(last, width=room, is_wrapped=True)
    return [*others, last]


def _below(width: int) -> int:
    """Return the room that the further lines of a row have."""
    return max(width - len(INDENT), 1)


def _least_cut(lines: list[list[Placed]], whole: Mapping[int, int], rooms: Sequence[int]) -> list[list[Placed]]:
    """Return the columns in as many lines, those of each such that the least is lost of what was cut."""
    placed = [each for line in lines for each in line]
    best, least = lines, _lost(lines, whole, rooms)
    for breaks in combinations(range(1, len(placed)), len(lines) - 1):
        found = [placed[start:end] for start, end in zip((0, *breaks), (*breaks, len(placed)))]
        if all(_needed(line) <= room for line, room in zip(found, rooms)):
            lost = _lost(found, whole, rooms)
            # (Of equals the one with the most on its first lines.)
            if lost < least or (lost == least and list(map(len, found)) > list(map(len, best))):
                best, least = found, lost
    return best


def _lost(lines: list[list[Placed]], whole: Mapping[int, int], rooms: Sequence[int]) -> int:
    """Return how much of the columns finds no room in their lines."""
    wanted = (
        [each if each.cut is None else replace(each, width=whole[each.number]) for each in line] for line in lines
    )
    return sum(max(_needed(line) - room, 0) for line, room in zip(wanted, rooms))


def _widened(line: list[Placed], whole: Mapping[int, int], room: int) -> list[Placed]:
    """Return the columns of a line with broken headings and what was cut of them back, as far as the line has room now,
    the last to have given way first."""
    narrow = [each for each in line if each.width < whole[each.number] and not each.is_wrapped]
    for each in sorted(narrow, key=lambda each: (each.cut is not None, -_last_order(each.column))):
        width = min(whole[each.number], each.width + max(room - _needed(line), 0))
        line[line.index(each)] = replace(each, width=width, cut=each.cut if width < whole[each.number] else None)
    return line


def _last_order(column: Column) -> int:
    return max((step.order for step in column.gives), default=0)


def _in_lines(placed: list[Placed], width: int) -> Iterator[list[Placed]]:
    """Yield the columns of each line of a row."""
    line: list[Placed] = []
    for each in placed:
        if line and _needed([*line, each]) > width:
            yield line
            line, width = [], _below(width)
        line.append(each)
    yield line
