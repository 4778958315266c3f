"""heap rss: where the resident memory is, what malloc_trim could return, what keeps the rest, and what to try."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from gdbheap.allocators.heap import Heap
from gdbheap.analysis.memory_use.memory_verdict import MemoryVerdict
from gdbheap.errors import HeapError, NoHeap, NoProcess, NoSymbols, UsageError
from gdbheap.files import kernel_text
from gdbheap.glibc.naming import arena_name
from gdbheap.interface.command import Command
from gdbheap.lazy import dataclass
from gdbheap.pictures.bar_text import bar_line, letter_of
from gdbheap.pictures.drawn_file import SVG, with_svg
from gdbheap.pictures.rss_picture import WORDS, residency_svg
from gdbheap.process.live.proc_maps import ResidentBytes, read_resident
from gdbheap.report.report import ABSENT, Absent, Facts, Line, Next, Prose, Report, Table, plain_text
from gdbheap.report.rows import column, columns_of
from gdbheap.sentences.culprits import culprit_json, culprit_lines
from gdbheap.sentences.facts.said import said_all
from gdbheap.sentences.faults import faults_section
from gdbheap.sentences.memory_advice import (
    advice_lines,
    allocator_lines,
    huge_lines,
    kernel_line,
    largest_lines,
    share,
    top_lines,
    unjoined_lines,
    verdict_line,
)
from gdbheap.session.assumed_zeros import note_on_zeros
from gdbheap.session.culprits import find_culprits
from gdbheap.session.target import Target

if TYPE_CHECKING:
    # What these bring is kept out of gdb's start: the functions below import it when they are called.
    from gdbheap.allocators.heap import HeapTop
    from gdbheap.analysis.memory_use.largest import LargeMapping
    from gdbheap.analysis.memory_use.residency import Residency, ResidentPart
    from gdbheap.process.process import Process
    from gdbheap.process.threads.thread_stacks import StackBlock
    from gdbheap.sentences.culprits import Culprits

_MOST_MAPPINGS = 5


@dataclass(frozen=True)
class _Row:
    """A part of the memory. A core does not tell what was resident, but what had been written."""

    letter: str = field(metadata=column("text", "dim", published=False, heading=""))
    part: str = field(metadata=column(shown=False))
    what: str = field(metadata=column(heading="part"))
    count: int | Absent = field(metadata=column("count", heading="chunks"))
    size: int = field(metadata=column("bytes"))
    resident: int | None = field(metadata=column("bytes"))
    in_core: int | Absent | None = field(metadata=column("bytes", shown=False, heading="in the core"))


# For what runs on.
_LATER = Next("heap snapshot before", "for heap diff before, later: what grows")
_NEXT = {
    MemoryVerdict.LIVE: (
        Next("heap retained", "who holds it"),
        Next("heap leaks", "what nobody holds"),
        _LATER,
    ),
    MemoryVerdict.FRAGMENTATION: (
        Next("heap map", "where the live blocks lie between the free ones"),
        Next("heap sizes", "which sizes are free"),
    ),
    MemoryVerdict.RETENTION: (
        Next("heap map", "where the free memory is"),
        Next("heap arenas", "which arena keeps it"),
    ),
    MemoryVerdict.TOO_MANY_ARENAS: (Next("heap arenas", "what each arena keeps"),),
    MemoryVerdict.NOT_MALLOC: (Next("vmmap --summary", "by kind, module and size"),),
}


@dataclass(frozen=True)
class _Seen:
    """What there is to know of the memory. `stored` is what a core holds of each part (None: this is no core),
    `judged` the one of the two that the verdict rests on."""

    residency: Residency
    stored: Residency | None
    judged: Residency
    verdict: MemoryVerdict
    threshold: int | None
    culprits: Culprits | None
    allocators: list[str]
    embedded: list[str]
    huge: int | None
    waiting: list[StackBlock]
    largest: list[LargeMapping]

    @property
    def total(self) -> int:
        """What is resident, all parts together."""
        return sum(part.resident or 0 for part in self.residency.parts)


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Reconcile the resident size, part by part."""
    notes: list[str] = []
    view = _heap(target, notes)
    seen = _look(target, view)
    residency, stored = seen.residency, seen.stored
    parts = [part for part in residency.parts if part.size or part.resident]
    rows = [_row(place, part, stored) for place, part in enumerate(parts)]
    sizes = [(part.resident if stored is None else stored.resident(part.name)) or 0 for part in parts]
    if stored is not None:
        notes += note_on_zeros(target.process)
    if seen.allocators:
        notes.append(f"{' and '.join(seen.allocators)} in this process: {share(residency)}")
    answer = verdict_line(seen.judged, seen.verdict, stored is not None)
    advice = tuple(advice_lines(seen.judged, seen.verdict, seen.threshold))
    report = Report(
        "heap rss",
        (
            Prose((answer,)),
            Prose(tuple(bar_line(sizes))),
            Table(columns_of(_Row, resident=stored is None, in_core=stored is not None), rows),
            Prose(tuple(_explained(seen, advice))),
            Facts(_facts(seen, (answer, *advice)), shown=False),
            faults_section(view.faults if view is not None else ()),
        ),
        notes=(*(said_all(view.notes) if view is not None else ()), *notes),
        next=tuple(each for each in _NEXT.get(seen.verdict, ()) if stored is None or each is not _LATER),
    )
    drawn = list(zip((part.name for part in parts), sizes))
    return with_svg(report, arguments, lambda: residency_svg(drawn, stored is not None))


def _look(target: Target, view: Heap | None) -> _Seen:
    """Return what there is to know."""
    from gdbheap.analysis.mappings.annotate import annotate
    from gdbheap.analysis.memory_use.embedded_allocators import embedded_allocators
    from gdbheap.analysis.memory_use.largest import largest_mappings
    from gdbheap.analysis.memory_use.memory_verdict import judge_memory
    from gdbheap.analysis.memory_use.other_allocators import other_allocators
    from gdbheap.analysis.memory_use.residency import read_residency, stored_in_core
    from gdbheap.process.threads.thread_stacks import find_stacks
    from gdbheap.process.threads.unjoined import unjoined

    process = target.process
    mappings = annotate(process, view)
    residency, stored = read_residency(process, view, mappings), stored_in_core(process, view, mappings)
    judged = residency if stored is None else stored
    verdict = judge_memory(judged)
    is_scattered = verdict in (MemoryVerdict.FRAGMENTATION, MemoryVerdict.RETENTION)
    held = _resident(process)

    def is_defined(name: str) -> bool:
        return _is_defined(target, name)

    return _Seen(
        residency,
        stored,
        judged,
        verdict,
        threshold=None if view is None else view.trim_threshold(process),
        culprits=find_culprits(target, view) if view is not None and is_scattered else None,
        allocators=other_allocators(process, is_defined),
        embedded=embedded_allocators(process, is_defined, lambda name: _int_of(target, name), _environment(process)),
        huge=None if held is None else sum(each.huge for each in held.values()),
        waiting=unjoined(process, find_stacks(process)[1]),
        largest=[] if held is None else largest_mappings(mappings, held, _MOST_MAPPINGS),
    )


def _explained(seen: _Seen, advice: Sequence[Line]) -> Iterator[Line]:
    """Yield what is said below the table."""
    yield from kernel_line(seen.residency, seen.total)
    yield from top_lines(seen.residency)
    yield from unjoined_lines(seen.waiting)
    yield from huge_lines(seen.huge, seen.residency)
    yield from advice
    yield from culprit_lines(seen.culprits)
    if seen.verdict is MemoryVerdict.NOT_MALLOC:
        yield from largest_lines(seen.largest)
    yield from allocator_lines(seen.allocators, seen.embedded)


def _facts(seen: _Seen, advice: Sequence[str | Line]) -> dict[str, Any]:
    tops, known = seen.residency.tops, seen.residency.kernel is not None
    return {
        "verdict": seen.verdict.value,
        "resident": seen.total if known else None,
        "kernel_rss": seen.residency.kernel,
        "trimmable": sum(top.trimmable or 0 for top in tops) if known else None,
        "by_trim_threshold": sum(top.by_threshold or 0 for top in tops) if known else None,
        "kept_by_thread_arenas": seen.residency.kept if known else None,
        "trim_threshold": seen.threshold,
        "advice": [*map(plain_text, advice)],
        "huge": seen.huge,
        "unjoined_threads": len(seen.waiting),
        "unjoined_bytes": sum(each.end - each.start for each in seen.waiting),
        "largest": [_largest_json(each) for each in seen.largest],
        "other_allocators": seen.allocators,
        "embedded_allocators": seen.embedded,
        "culprits": culprit_json(seen.culprits),
        "tops": [_top_json(top) for top in tops],
    }


def _heap(target: Target, notes: list[str]) -> Heap | None:
    try:
        return target.heap()
    except (NoHeap, NoSymbols) as error:
        notes.append(f"nothing of glibc's malloc: {error}")
        return None


def _environment(process: Process) -> dict[str, str]:
    """Return the environment that a process on this machine was started with; {} where it cannot be read."""
    if process.pid is None:
        return {}
    try:
        pairs = [each.partition("=") for each in kernel_text(f"/proc/{process.pid}/environ").split("\0")]
    except OSError:
        return {}
    return {name: value for name, _, value in pairs}


def _resident(process: Process) -> dict[int, ResidentBytes] | None:
    """Return what is in memory of each mapping; None where nobody here counts it."""
    if process.kind != "live" or process.pid is None:
        return None
    try:
        return read_resident(process.pid)
    except NoProcess:
        return None


def _int_of(target: Target, name: str) -> int | None:
    try:
        return target.evaluate(f"*(unsigned int *)&{name}")
    except HeapError:
        return None


def _is_defined(target: Target, name: str) -> bool:
    try:
        return bool(target.evaluate(f"(unsigned long)&{name}"))
    except UsageError:
        return False
    except HeapError:
        return False


def _row(place: int, part: ResidentPart, stored: Residency | None) -> _Row:
    count = ABSENT if part.count is None else part.count
    in_core = ABSENT if stored is None else stored.resident(part.name)
    return _Row(letter_of(place), part.name, WORDS[part.name], count, part.size, part.resident, in_core)


def _largest_json(mapping: LargeMapping) -> dict[str, Any]:
    return {
        "start": f"{mapping.start:#x}",
        "end": f"{mapping.end:#x}",
        "resident": mapping.resident,
        "what": mapping.what,
        "path": mapping.path or None,
    }


def _top_json(top: HeapTop) -> dict[str, Any]:
    pin = top.pin
    return {
        "arena": arena_name(top.arena),
        "address": f"{top.address:#x}",
        "size": top.size,
        "resident": top.resident,
        "pin": None if pin is None else f"{pin[0]:#x}",
        "pin_size": None if pin is None else pin[1],
        "pin_state": None if pin is None else pin[2],
        "free_below": top.free_below,
        "free": top.free,
        "free_resident": top.free_resident,
        "trimmable": top.trimmable,
    }


COMMAND = Command(
    name="heap rss",
    summary="Show where the resident memory is, what could be given back, and what to try.",
    description=(
        "Counts every resident page where it belongs: blocks in use, free chunks by their bins, top, stacks, data, "
        "files, and what is not malloc's. A page that several chunks share is divided among them. For each arena it "
        "shows what malloc_trim(0) would return to the system, and the chunk just below top that keeps the memory "
        "below it from being returned. Where live blocks scattered over free memory keep it resident, they are named "
        "with their types and holders.\n"
        "For a core, only sizes and contents are known: pages that hold anything but zeros were resident or swapped "
        "out when the core was made, and the verdict is based on these."
    ),
    run=run,
    arguments=(SVG,),
    examples=(("heap rss", "why the process is large although no tool finds a leak"),),
)
