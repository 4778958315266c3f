"""What vmmap shows of very many mappings: runs of alike ones told once, the gaps between them, sums of each kind."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import field

from gdbheap.analysis.mappings.annotate import AnnotatedVMA
from gdbheap.counted import counted
from gdbheap.lazy import dataclass
from gdbheap.process.live.proc_maps import ResidentBytes
from gdbheap.process.process import Thread
from gdbheap.report.printable import human_size
from gdbheap.report.report import Line
from gdbheap.report.rows import PATH, column
from gdbheap.sentences.folding import fold
from gdbheap.tables.mapping_rows import WX, MappingRow, MappingRows, marks_of

# Runs of fewer rows than this are shown in full.
_FEW = 6
_FILE = "file"


@dataclass(frozen=True)
class MappingSum:
    """All mappings of one kind and file: how many, and their bytes."""

    kind: str = field(metadata=column("label", "symbol"))
    module: str = field(metadata=column("text", "path", gives=PATH))
    mappings: int = field(metadata=column("count"))
    size: int = field(metadata=column("bytes"))
    resident: int | None = field(metadata=column("bytes"))
    largest: int = field(metadata=column("bytes"))


def folded(rows: MappingRows, thread: Thread | None) -> list[MappingRow | Line]:
    """Return the rows for people: of runs that are alike (in size, permissions, kind and file; one mapping, or several
    in turn) the first, and a line for the others."""
    shown: list[MappingRow | Line] = []
    for run in fold([_key(each, thread) for each in rows.mappings]):
        end = run.start + run.length * run.times
        if run.length * run.times < _FEW:
            shown += rows[run.start : end]
            continue
        shown += rows[run.start : run.start + run.length]
        rest = [each.vma for each in rows.mappings[run.start + run.length : end]]
        what = "mapping like this one" if run.length == 1 else f"mapping like these {run.length}"
        plural = what.replace("mapping", "mappings", 1)
        size = human_size(sum(vma.size for vma in rest))
        told = f"  … {counted(len(rest), what, plural)}, up to {rest[-1].end:#x}, {size}: --count 0 shows all"
        shown.append(Line.plain(told, "dim"))
    return shown


def _key(each: AnnotatedVMA, thread: Thread | None) -> Hashable:
    vma = each.vma
    return vma.end - vma.start, vma.permissions, each.kind, vma.path, *marks_of(vma, thread)


def with_marks(shown: Sequence[MappingRow | Line]) -> Iterator[MappingRow | Line]:
    """Yield the rows for people, below each a line for what is to be seen at once of it."""
    for row in shown:
        yield row
        if isinstance(row, MappingRow) and row.marks:
            yield Line.plain(f"    ↑ {', '.join(row.marks)}", "fault" if WX in row.marks else "heading")


def with_the_kernels(shown: Sequence[MappingRow | Line]) -> Iterator[MappingRow | Line]:
    """Yield the rows for people, among others the kernel's own page at the very end as a line: its addresses alone are
    as wide as that."""
    alone = sum(isinstance(row, MappingRow) for row in shown) == 1
    for row in shown:
        if isinstance(row, Line) or alone or row.kind != "vsyscall":
            yield row
        else:
            where = f"{row.start:#x}-{row.end:#x}  {row.permissions}  {human_size(row.size)}  "
            yield Line((("address", where), ("", f"{row.what}, the kernel's own")))


def with_few_files(sums: Sequence[MappingSum]) -> list[MappingSum | Line]:
    """Return the sums for people: of many files that are no modules the largest, and a line for the others."""
    files = [each for each in sums if each.kind == _FILE]
    rest = files[_FEW // 2 :] if len(files) > _FEW else []
    shown: list[MappingSum | Line] = [each for each in sums if each not in rest]
    if rest:
        told = (
            f"… {counted(len(rest), 'more file')} of {human_size(sum(each.size for each in rest))}: --count 0 shows all"
        )
        shown.insert(shown.index(files[_FEW // 2 - 1]) + 1, Line.plain(told, "dim"))
    return shown


def with_gaps(shown: Sequence[MappingRow | Line], everything: Sequence[AnnotatedVMA]) -> Iterator[MappingRow | Line]:
    """Yield the rows for people, before each a line for the stretch right below it that nothing is mapped in."""
    below = {above.vma.start: each.vma.end for each, above in zip(everything, everything[1:])}
    for row in shown:
        end = below.get(row.start) if isinstance(row, MappingRow) else None
        if isinstance(row, MappingRow) and end is not None and row.start > end:
            yield Line.plain(f"  ┊ {human_size(row.start - end)} not mapped", "dim")
        yield row


def gaps_between(chosen: Sequence[AnnotatedVMA]) -> list[dict[str, object]]:
    """Return the stretches that nothing is mapped in, as JSON has them."""
    pairs = [(below.vma.end, above.vma.start) for below, above in zip(chosen, chosen[1:])]
    return [{"start": f"{low:#x}", "end": f"{high:#x}", "size": high - low} for low, high in pairs if high > low]


def sums_of(chosen: Sequence[AnnotatedVMA], resident: Mapping[int, ResidentBytes] | None) -> list[MappingSum]:
    """Return the sums by kind and file, those with the most bytes first. What is in memory is a mapping's whole, in
    the row of most of its bytes."""
    groups: dict[tuple[str, str], list[AnnotatedVMA]] = {}
    for each in chosen:
        groups.setdefault((each.kind, os.path.basename(each.vma.path)), []).append(each)
    sums = []
    for (kind, module), several in groups.items():
        sizes = [each.vma.size for each in several]
        known = {} if resident is None else resident
        held = sum(known[each.vma.start].all for each in several if each.vma.start in known)
        sums.append(MappingSum(kind, module, len(several), sum(sizes), None if resident is None else held, max(sizes)))
    return sorted(sums, key=lambda each: (-each.size, each.kind, each.module))
