"""`vmmap`: every mapping of the process and what it is; what lies at an address, or around it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gdbheap.analysis.mappings.address_facts import facts_at, facts_between
from gdbheap.analysis.mappings.annotate import AnnotatedVMA, annotate
from gdbheap.counted import counted
from gdbheap.errors import HeapError, UsageError
from gdbheap.glibc.heap_view import HeapView
from gdbheap.interface.command import Argument, Command
from gdbheap.process.live.page_sums import PageSums, sum_pages
from gdbheap.process.live.pages import Pages, PageState, read_pages
from gdbheap.process.live.proc_maps import ResidentBytes, read_resident, read_smaps
from gdbheap.process.named_address import NamedAddress
from gdbheap.process.process import Process
from gdbheap.report.printable import cut_middle, human_size
from gdbheap.report.report import Facts, GivesWay, Line, Prose, Report, Table
from gdbheap.report.rows import PATH, column, columns_of, goes
from gdbheap.session.heap_or_note import heap_or_note
from gdbheap.session.target import Target

ARGUMENT = Argument(
    "ADDRESS|FILTER",
    "text",
    "An address (any gdb expression; in parentheses where it is also a mapping's name), or a text that a mapping's "
    "path, kind or permissions hold (in double quotes it is never taken for an expression).",
    choices=("anonymous", "arena", "file", "guard", "heap", "libc", "mmapped", "program", "rw-p", "stack", "vdso"),
)

PAGES = Argument(
    "--pages", "flag", "Show what each mapping's pages are, drawn as a strip, instead of its place in the file."
)

_QUOTED = re.compile(r'"([^"]*)"')
# What begins like this, or is as short as this, is an expression, whatever mapping it might be part of the name of.
_EXPRESSION = re.compile(r"[\d$&*(]|.{1,2}$")

_KINDS_SHOWN = 8
_STRIP = 32
_LEGEND = (
    "pages: A anonymous, F of a file or shared, Z the shared zero page, S swapped, G guard, . never touched; "
    "small where not all are"
)

_SUMS_ALONE = (
    "the kernel lets nobody here read pagemap: the numbers are those of smaps, which does not tell where the pages "
    "are, and counts the zero page and guards with what was never touched"
)


@dataclass(frozen=True)
class Answer:
    """All mappings, what was asked of them, and what must be said beside them. `resident` is what is in memory by
    start (None: unknown); `with_pages` that every page's state is to be told."""

    process: Process
    mappings: tuple[AnnotatedVMA, ...]
    heap: HeapView | None
    resident: Mapping[int, ResidentBytes] | None
    notes: tuple[str, ...]
    with_pages: bool = False


@dataclass(frozen=True)
class _Row:
    """A mapping. `strip`, `pages` and the counts of pages in each state are there with --pages alone."""

    start: int = field(metadata=column("address", "address"))
    end: int = field(metadata=column("address", "address"))
    permissions: str = field(metadata=column("text", "permissions", heading="perm"))
    size: int = field(metadata=column("bytes", "size"))
    resident: int | None = field(metadata=column("bytes", "size"))
    huge: int | None = field(metadata=column("bytes", "size", heading="in huge pages", gives=goes(33)))
    offset: int = field(metadata=column("size", gives=goes(1)))
    strip: str | None = field(metadata=column("strip", heading="pages"))
    pages: str | None = field(metadata=column(heading="", gives=goes(2)))
    what: str = field(metadata=column("text", "symbol", heading="what it is", gives=(GivesWay(32, 12, cut_middle),)))
    path: str = field(metadata=column("text", "path", gives=(*PATH, GivesWay(31))))
    kind: str = field(metadata=column(shown=False))
    sharing: str | None = field(metadata=column(shown=False))
    inferred: bool = field(metadata=column("flag", shown=False))
    untouched: int | None = field(metadata=column("count", shown=False))
    zero: int | None = field(metadata=column("count", shown=False))
    anonymous: int | None = field(metadata=column("count", shown=False))
    file: int | None = field(metadata=column("count", shown=False))
    swapped: int | None = field(metadata=column("count", shown=False))
    guard: int | None = field(metadata=column("count", shown=False))


_OF_PAGES = ("strip", "pages", *(state.label for state in PageState))


@dataclass(frozen=True)
class _Around:
    """What is shown of an address: what is known of it, and the mappings next to it."""

    lines: tuple[str, ...]
    rows: Sequence[_Row | Line]


def vmmap(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Return a row for each mapping, for those that match, or for the one that holds the address."""
    answer = _ask(target, arguments[PAGES.key])
    text = arguments[ARGUMENT.key]
    if text is None:
        return _report(answer, answer.mappings)
    quoted = _QUOTED.fullmatch(text)
    matching = [each for each in answer.mappings if _matches(each, quoted[1] if quoted else text)]
    if quoted:
        if not matching:
            raise UsageError(f"no mapping matches {text}")
        return _report(answer, matching)
    try:
        address = target.evaluate(text)
    except UsageError as error:
        if matching:
            return _report(answer, matching)
        raise UsageError(f"no mapping matches {text!r}, and it is no address: {error}") from error
    if matching and not _EXPRESSION.match(text):
        note = f"{text} is also an expression, {address:#x}: `vmmap ({text})` is about that address"
        return _report(replace(answer, notes=(*answer.notes, note)), matching)
    return _at_address(answer, address, target.symbol_at(address))


def _ask(target: Target, with_pages: bool) -> Answer:
    process, (heap, notes) = target.process, heap_or_note(target)
    notes = (*process.notes, *notes)
    return Answer(process, annotate(process, heap), heap, _resident(process), notes, with_pages)


def _resident(process: Process) -> dict[int, ResidentBytes] | None:
    """Return the resident bytes of each mapping by its start; None where nobody here counts them."""
    if process.kind != "live" or process.pid is None:
        return None
    try:
        return read_resident(process.pid)
    except HeapError:
        return None


def _matches(annotated: AnnotatedVMA, text: str) -> bool:
    text = text.lower()
    words = (annotated.vma.path, annotated.what, annotated.kind, annotated.sharing or "", annotated.vma.permissions)
    return any(text in word.lower() for word in words)


def _report(answer: Answer, chosen: Sequence[AnnotatedVMA], around: _Around | None = None) -> Report:
    """Return the rows of the chosen mappings; with `around`, for people what lies around an address."""
    columns = columns_of(
        _Row,
        () if answer.with_pages else _OF_PAGES,
        resident=answer.resident is not None,
        huge=_any_huge(answer, chosen),
        offset=not answer.with_pages,
    )
    totals = _totals(answer, chosen)
    notes = answer.notes
    after = _summary(totals) if around is None else ()
    pages = _pages(answer.process, chosen) if answer.with_pages else {}
    if any(isinstance(each, PageSums) for each in pages.values()):
        notes = (*notes, _SUMS_ALONE)
    elif answer.with_pages and _may_ask(answer.process):
        after = (_LEGEND, *after)
    elif answer.with_pages:
        notes = (
            *notes,
            f"what the pages are is known of a process on this machine only, not of a {answer.process.kind} one",
        )
    rows, before = _rows(answer, chosen, pages), () if around is None else around.lines
    display = None if around is None else around.rows
    return Report("vmmap", (Prose(before), Table(columns, rows, display), Prose(after), Facts(totals)), notes)


def _any_huge(answer: Answer, chosen: Sequence[AnnotatedVMA]) -> bool:
    held = answer.resident or {}
    return any(each.vma.start in held and held[each.vma.start].huge for each in chosen)


def _rows(answer: Answer, chosen: Sequence[AnnotatedVMA], pages: Mapping[int, Pages | PageSums]) -> list[_Row]:
    return [_row(each, answer.resident, pages.get(each.vma.start)) for each in chosen]


def _may_ask(process: Process) -> bool:
    return process.kind == "live" and process.pid is not None


def _pages(process: Process, chosen: Iterable[AnnotatedVMA]) -> dict[int, Pages | PageSums]:
    """Return the pages of the mappings by start, or their sums alone; none where nobody here can ask."""
    if not _may_ask(process) or process.pid is None:
        return {}
    vmas = [each.vma for each in chosen]
    try:
        return {pages.vma.start: pages for pages in read_pages(process.pid, vmas)}
    except OSError:
        pass
    try:
        return {sums.vma.start: sums for sums in sum_pages(read_smaps(process.pid), vmas)}
    except HeapError:
        return {}


def _row(annotated: AnnotatedVMA, resident: Mapping[int, ResidentBytes] | None, pages: Pages | PageSums | None) -> _Row:
    vma = annotated.vma
    held = resident.get(vma.start) if resident is not None else None
    counts = None if pages is None else pages.counts()
    return _Row(
        start=vma.start,
        end=vma.end,
        permissions=vma.permissions,
        size=vma.size,
        resident=None if held is None else held.all,
        huge=None if held is None else held.huge,
        offset=vma.offset,
        strip=None if pages is None else pages.strip(_STRIP),
        pages=None if pages is None else _pages_said(pages),
        what=annotated.what,
        path=vma.path,
        kind=annotated.kind,
        sharing=annotated.sharing,
        inferred=any(part.inferred for part in annotated.parts),
        **{state.label: None if counts is None else counts[state] for state in PageState},
    )


def _pages_said(pages: Pages | PageSums) -> str:
    counts = pages.counts()
    words = [
        f"{counts[state]:,} {state.label}" for state in PageState if counts[state] and state is not PageState.UNTOUCHED
    ]
    return ", ".join([*words, *([f"{human_size(pages.huge)} in huge pages"] if pages.huge else [])])


def _totals(answer: Answer, chosen: Sequence[AnnotatedVMA]) -> dict[str, Any]:
    kinds: Counter[str] = Counter()
    sharings: Counter[str] = Counter()
    for each in chosen:
        sharings[each.sharing or "unknown"] += each.vma.size
        for part in each.parts:
            kinds[part.kind] += part.size
    resident = answer.resident
    held = [resident[each.vma.start] for each in chosen if resident is not None and each.vma.start in resident]
    huge = sum(each.huge for each in held)
    return {
        "mappings": len(chosen),
        "bytes": sum(each.vma.size for each in chosen),
        "resident_bytes": None if resident is None else sum(each.all for each in held),
        **({"huge_bytes": huge} if huge else {}),
        "by_kind": dict(kinds.most_common()),
        "by_sharing": dict(sharings.most_common()),
    }


def _summary(totals: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the totals by kind (the largest) and by sharing as lines for people."""
    return tuple(
        f"{name.replace('_', ' ')}: {_largest(totals[name])}" for name in ("by_kind", "by_sharing") if totals[name]
    )


def _largest(sizes: Mapping[str, int]) -> str:
    shown = list(sizes.items())[:_KINDS_SHOWN]
    rest = sum(sizes.values()) - sum(size for _, size in shown)
    words = [f"{name.replace('_', ' ')} {human_size(size)}" for name, size in shown]
    return ", ".join(words) + (f", {counted(len(sizes) - len(shown), 'other kind')} {human_size(rest)}" if rest else "")


def _at_address(answer: Answer, address: int, symbol: NamedAddress | None) -> Report:
    """Return the row of the mapping that holds the address (none: no row), for people with its neighbours and what
    is known."""
    from gdbheap.analysis.mappings.explain import PAGE_WORDS, page_state

    mappings = answer.mappings
    index = bisect_right([each.vma.start for each in mappings], address) - 1
    here = [mappings[index]] if index >= 0 and address in mappings[index].vma else []
    below = mappings[index - 1 if here else index] if index >= bool(here) else None
    above = mappings[index + 1] if index + 1 < len(mappings) else None
    if here:
        lines = facts_at(answer.process, here[0], address, answer.heap)
    else:
        lines = facts_between(below, above, address, answer.process.machine)
    state = page_state(answer.process, address) if here else None
    if state is not None:
        lines = (*lines, f"its page: {PAGE_WORDS[state]}")
    if symbol:
        lines = (*lines, str(symbol))
    around = [*([below] if below else []), *here, *([above] if above else [])]
    rows = _rows(answer, around, _pages(answer.process, around) if answer.with_pages else {})
    mark = Line.plain(f"  ^ {address:#x}" if here else f"  - {address:#x} -", "heading")
    place = bool(below) + bool(here)
    return _report(answer, here, _Around(lines, [*rows[:place], mark, *rows[place:]]))


COMMAND = Command(
    name="vmmap",
    summary="Show the process's mappings and what each one is.",
    run=vmmap,
    description=(
        "Every mapping with its permissions, size and file, and what it is: a part of the program or of a library, an "
        "arena's heap or its reserve, mmapped chunks, a thread's stack and its guard, TLS, the kernel's own. It needs "
        "no libc. On a core, sharing is not known, and names like [heap] are concluded from the auxiliary vector "
        "(inferred)."
    ),
    arguments=(ARGUMENT, PAGES),
    examples=(
        ("vmmap", "all mappings"),
        ("vmmap libc", "the mappings whose path or description holds libc"),
        ("vmmap rw-p", "those that are private and writable"),
        ("vmmap $sp", "the mapping that holds the stack pointer, and what is known about that address"),
        ("vmmap --pages heap", "which pages of the heaps exist, and as what"),
    ),
)
