"""How heap leaks shows its groups: the rows for JSON and for people, and the lines that sum them up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, overload

from gdbheap.analysis.leaks.heuristics import HEADER
from gdbheap.analysis.leaks.leaks import LeakKind
from gdbheap.counted import counted
from gdbheap.interface.limit import first_of, left_out
from gdbheap.lazy import dataclass
from gdbheap.process.columns.first_words import HEAD
from gdbheap.report.printable import human_size
from gdbheap.report.report import ABSENT, Absent, Column, Line
from gdbheap.report.rows import column, columns_of

if TYPE_CHECKING:
    from gdbheap.analysis.leaks.groups import LeakGroup
    from gdbheap.analysis.leaks.reasons import Reason
    from gdbheap.session.leak_places import LeakPlaces


@dataclass(frozen=True)
class LeakRow:
    """A group of blocks."""

    kind: str = field(metadata=column(heading="", shown=False))
    count: int = field(metadata=column("count"))
    bytes: int = field(metadata=column("bytes"))
    hanging_count: int = field(metadata=column("count", heading="hanging"))
    hanging_bytes: int = field(metadata=column("bytes"))
    chunk_size: int | tuple[int, int] = field(metadata=column("size", "size"))
    example: int = field(metadata=column("address", "mem"))
    offset: int | tuple[int, int] | Absent = field(metadata=column("size", heading="pointed to at", shown=False))
    what: str = field(metadata=column("text", "symbol"))
    text: str | Absent = field(metadata=column(shown=False))
    doubt: str | Absent = field(metadata=column(shown=False))
    largest_offset: int | Absent = field(metadata=column("size", shown=False))
    module: str | Absent = field(metadata=column(shown=False))
    holder: str | Absent = field(metadata=column("text", "symbol", shown=False))


ENTRIES = "possibly_lost_entries"
# So many of a heuristic's offsets are told.
_MOST_OFFSETS = 4
# What else is to be known of a verdict's blocks, by the name of its tally.
_OF_WHICH = {
    LeakKind.POSSIBLY_LOST: (
        (ENTRIES, "have a pointer into them from what is held; the others are reachable only through these"),
        ("encoded", "only through words that look like encoded pointers"),
        ("signal_stack", "as large as an alternate signal stack (sigaltstack), which only the kernel would point to"),
    ),
    LeakKind.STILL_REACHABLE: (
        ("by_heuristic", "by heuristics alone"),
        ("doubtful", "doubtful: held only by memory that the program may never have written (--doubtful shows them)"),
        ("from_stacks_alone", "only from stacks and registers, where a stale value looks like a live one"),
    ),
}


def row(group: LeakGroup, places: LeakPlaces | None = None) -> LeakRow:
    """Return the row; with `places` it has the module and the holder."""
    block = None if places is None else places.nearest.retained.held.blocks.find(group.example)
    module, holder = ("", "") if places is None or block is None else places.of(block)
    return LeakRow(
        kind=group.verdict.label,
        count=group.count,
        bytes=group.bytes,
        hanging_count=group.hanging_count,
        hanging_bytes=group.hanging_bytes,
        chunk_size=group.chunk_size,
        example=group.example,
        offset=ABSENT if group.offsets is None else group.offsets[0],
        what=group.what,
        text=group.text or ABSENT,
        doubt=group.doubt or ABSENT,
        largest_offset=ABSENT if group.offsets is None else group.offsets[1],
        module=module or ABSENT,
        holder=holder or ABSENT,
    )


class LeakRows(Sequence[LeakRow]):
    """The rows of groups, each made when it is asked for: of thousands a few are shown."""

    def __init__(self, groups: Sequence[LeakGroup], places: LeakPlaces | None) -> None:
        self._groups, self._places = groups, places

    def __len__(self) -> int:
        return len(self._groups)

    @overload
    def __getitem__(self, at: int) -> LeakRow: ...

    @overload
    def __getitem__(self, at: slice) -> LeakRows: ...

    def __getitem__(self, at: int | slice) -> LeakRow | LeakRows:
        if isinstance(at, slice):
            return LeakRows(self._groups[at], self._places)
        return row(self._groups[at], self._places)


def columns(groups: list[LeakGroup], with_places: bool) -> tuple[Column, ...]:
    """Return the columns: where entries are pointed to is shown if there are any."""
    entries = any(group.offsets is not None for group in groups)
    return columns_of(LeakRow, offset=entries, module=with_places, holder=with_places)


def _row_for_people(group: LeakGroup, places: LeakPlaces | None) -> LeakRow:
    """Return the row with the range of sizes, and with the text that is meant by "text"."""
    shown = row(group, places)
    if group.largest != group.chunk_size:
        shown = replace(shown, chunk_size=(group.chunk_size, group.largest))
    if group.offsets is not None and group.offsets[0] != group.offsets[1]:
        shown = replace(shown, offset=group.offsets)
    if group.text:
        more = "…" if len(group.text) == HEAD else ""
        shown = replace(shown, what=f'text: "{group.text}{more}"')
    return shown


def first_of_each_kind(groups: Sequence[LeakGroup], count: int) -> list[LeakGroup]:
    """Return so many groups of each kind, in their order."""
    seen: Counter[LeakKind] = Counter()
    found = []
    for each in groups:
        seen[each.verdict] += 1
        if seen[each.verdict] <= count:
            found.append(each)
    return found


def rows_for_display(
    groups: list[LeakGroup], arguments: Mapping[str, Any], limit: int, places: LeakPlaces | None
) -> list[LeakRow | Line]:
    """Return the rows under a heading for each verdict, those of one name merged, each cut at the limit."""
    from gdbheap.analysis.leaks.groups import merge_sizes

    merged = groups if arguments["blocks"] or places is not None else merge_sizes(groups)
    lines: list[LeakRow | Line] = []
    if not groups and arguments["what"]:
        lines.append(Line.plain(f"no group of these kinds has {arguments['what']!r} in its name"))
    doubt = ", by words of blocks that the program may never have written" if arguments["doubtful"] else ""
    kinds: dict[tuple[LeakKind, bool], list[LeakGroup]] = {
        (verdict, hangs): [] for verdict in LeakKind for hangs in (False, True)
    }
    for group in merged:
        kinds[group.verdict, group.hangs].append(group)
    for (verdict, hangs), here in kinds.items():
        # As of what is lost: what hangs on others is counted with those, unless it is asked for.
        if not here or (hangs and not arguments["kind"]):
            continue
        what = verdict.label.replace("_", " ") + (", reachable only through others that are" if hangs else "")
        lines.append(Line.plain(what + doubt, "heading"))
        shown = first_of(here, limit)
        lines += [_row_for_people(group, places) for group in shown]
        if len(shown) < len(here):
            rest = here[len(shown) :]
            size = human_size(sum(group.bytes + group.hanging_bytes for group in rest))
            lines.append(left_out(len(rest), "block" if arguments["blocks"] else "group", f"of {size}"))
    return lines


def summary(tally: Mapping[str, tuple[int, int]], reasons: Sequence[Reason]) -> Iterator[Line]:
    """Yield a line for each verdict, as Valgrind's summary has them, and how much of it is in doubt, and why."""
    for verdict in LeakKind:
        count, size = tally[verdict.label]
        if count or verdict is not LeakKind.UNDECIDED:
            text = f"{verdict.label.replace('_', ' '):>16}: {counted(count, 'block')}, {human_size(size)}"
            yield Line.plain(text, "total" if count and verdict < LeakKind.STILL_REACHABLE else "")
        for label, why in _OF_WHICH.get(verdict, ()):
            part, size = tally[label]
            if not part or (label == ENTRIES and part == count):
                continue
            if label == "by_heuristic":
                why += ": " + ", ".join(map(_reason, reasons))
            yield Line.plain(f"{'':18}of which {counted(part, 'block')}, {human_size(size)} {why}", "dim")


def _reason(reason: Reason) -> str:
    """Return a heuristic, how many blocks it holds and, where all blocks have the same few, at which offsets it
    takes pointers to be good."""
    where = ""
    if reason.heuristic == HEADER:
        where = " at " + ", ".join(f"+{offset:#x}" for offset in reason.offsets[:_MOST_OFFSETS])
        where += ", …" if len(reason.offsets) > _MOST_OFFSETS else ""
    return f"{reason.heuristic} ({counted(reason.blocks, 'block')}{where})"
