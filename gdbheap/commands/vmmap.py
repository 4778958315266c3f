"""`vmmap`: every mapping of the process and what it is; what lies at an address, or around it."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from gdbheap.analysis.mappings.address_facts import OnPage, facts_at, facts_between
from gdbheap.analysis.mappings.annotate import AnnotatedVMA, annotate
from gdbheap.counted import counted
from gdbheap.errors import HeapError, UsageError
from gdbheap.glibc.glibc_heap import GlibcHeap
from gdbheap.interface.command import Argument, Command
from gdbheap.interface.limit import count_argument, left_out
from gdbheap.lazy import dataclass, regex
from gdbheap.process.address import Address
from gdbheap.process.fact import Fact
from gdbheap.process.live.page_sums import PageSums, sum_pages
from gdbheap.process.live.pages import Pages, read_pages
from gdbheap.process.live.proc_maps import ResidentBytes, read_resident, read_smaps
from gdbheap.process.named_address import NamedAddress
from gdbheap.process.process import Process, Thread
from gdbheap.report.printable import human_size
from gdbheap.report.report import Facts, Line, Next, Prose, Report, Table
from gdbheap.report.rows import columns_of
from gdbheap.session.heap_or_note import heap_or_note
from gdbheap.session.target import Target
from gdbheap.tables.mapping_folds import (
    MappingSum,
    folded,
    gaps_between,
    sums_of,
    with_few_files,
    with_gaps,
    with_marks,
    with_the_kernels,
)
from gdbheap.tables.mapping_rows import OF_PAGES, MappingRow, MappingRows, kind_token, mapping_row

ARGUMENT = Argument(
    "ADDRESS|FILTER",
    "text",
    "An address (any gdb expression; put it in parentheses if it is also a mapping's name), or text to look for in "
    "paths, kinds and permissions (in double quotes it is never taken for an expression).",
    choices=("anonymous", "arena", "file", "guard", "heap", "libc", "mmapped", "program", "rw-p", "stack", "vdso"),
)

COUNT = count_argument("mappings")
SUMMARY = Argument("--summary", "flag", "Show counts and bytes by kind and file instead of the mappings.")
WRITABLE = Argument("--writable", "flag", "Show only writable memory.")
EXECUTABLE = Argument("--executable", "flag", "Show only executable memory.")
GAPS = Argument("--gaps", "flag", "Also show the gaps between mappings.")
PAGES = Argument(
    "--pages", "flag", "Draw the state of each mapping's pages as a strip, instead of its offset in the file."
)

_QUOTED = regex(r'"([^"]*)"')
# What begins like this, or is as short as this, is an expression, whatever mapping it might be part of the name of.
_EXPRESSION = regex(r"[\d$&*(]|.{1,2}$")

_KINDS_SHOWN = 8
_LEGEND = (
    "pages: A anonymous, F of a file or shared, Z the shared zero page, S swapped out, G guard, . never touched; "
    "a lower-case letter: some of the pages"
)

_SUMS_ALONE = (
    "the kernel does not allow pagemap to be read here: the numbers are those of smaps, which does not tell where the "
    "pages are, and counts the zero page and guard pages as never touched"
)


@dataclass(frozen=True)
class MappingAnswer:
    """All mappings, what was asked of them, and what must be said beside them. `resident` is what is in memory by
    start (None: unknown); `asked` are the user's words; `thread` is the selected one."""

    process: Process
    mappings: tuple[AnnotatedVMA, ...]
    heap: GlibcHeap | None
    resident: Mapping[int, ResidentBytes] | None
    notes: tuple[str, ...]
    asked: Mapping[str, Any] = field(default_factory=dict)
    thread: Thread | None = None

    @property
    def with_pages(self) -> bool:
        """Whether every page's state is to be told."""
        return bool(self.asked.get(PAGES.key))

    def is_asked(self, argument: Argument) -> bool:
        return bool(self.asked.get(argument.key))


@dataclass(frozen=True)
class _Around:
    """What is shown of an address: what is known of it (as people read it, too), and the mappings next to it."""

    facts: tuple[Fact, ...]
    lines: Sequence[str]
    rows: Sequence[MappingRow | Line]
    address: int
    page: str | None


def vmmap(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Return a row for each mapping, for those that match, or for the one that holds the address."""
    answer = _ask(target, arguments)
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
        raise UsageError(f"no mapping matches {text!r}, and it is not an address: {error}") from error
    if matching and not _EXPRESSION.match(text):
        note = f"{text} is also an expression, {address:#x}: `vmmap ({text})` is about that address"
        return _report(replace(answer, notes=(*answer.notes, note)), matching)
    return _at_address(answer, address, target.symbol_at(address))


def _ask(target: Target, asked: Mapping[str, Any]) -> MappingAnswer:
    from gdbheap.sentences.facts.said import said_all

    process, (heap, notes) = target.process, heap_or_note(target)
    notes = (*said_all(process.notes), *notes)
    thread = next((each for each in process.threads if each.lwp == target.selected_thread), None)
    return MappingAnswer(process, annotate(process, heap), heap, _resident(process), notes, asked, thread)


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


def _report(answer: MappingAnswer, chosen: Sequence[AnnotatedVMA], around: _Around | None = None) -> Report:
    """Return the rows of the chosen mappings; with `around`, for people what lies around an address."""
    if around is None:
        chosen = _wanted(answer, chosen)
    if answer.is_asked(SUMMARY):
        return _sums(answer, chosen)
    columns = columns_of(
        MappingRow,
        () if answer.with_pages else OF_PAGES,
        resident=answer.resident is not None,
        huge=_any_huge(answer, chosen),
        offset=not answer.with_pages,
    )
    totals = _totals(answer, chosen)
    notes = answer.notes
    after: tuple[str | Line, ...] = _summary(totals) if around is None else ()
    pages = _pages(answer.process, chosen) if answer.with_pages else {}
    if any(isinstance(each, PageSums) for each in pages.values()):
        notes = (*notes, _SUMS_ALONE)
    elif answer.with_pages and _may_ask(answer.process):
        after = (_LEGEND, *after)
    elif answer.with_pages:
        notes = (
            *notes,
            f"the state of pages is known only for a process on this machine, not for a {answer.process.kind} one",
        )
    rows, before = _rows(answer, chosen, pages), () if around is None else tuple(around.lines)
    display = _displayed(answer, rows) if around is None else around.rows
    gaps = Facts({"gaps": gaps_between(answer.mappings)} if answer.is_asked(GAPS) else {}, shown=False)
    known = Facts({} if around is None else _place_facts(answer, around), shown=False)
    parts = (Prose(before), Table(columns, rows, display), Prose(after), Facts(totals), gaps, known)
    return Report("vmmap", parts, notes, tuple(_next(answer, chosen, around)))


def _next(answer: MappingAnswer, chosen: Sequence[AnnotatedVMA], around: _Around | None) -> Iterator[Next]:
    if around is not None:
        yield Next(f"explain {around.address:#x}", "everything known about it")
    elif len(chosen) > 1:
        yield Next("vmmap --summary", "by kind, module and size")
    if around is None and len(chosen) > 1 and answer.heap is not None:
        yield Next("heap rss", "where the resident memory is")


def _place_facts(answer: MappingAnswer, around: _Around) -> dict[str, Any]:
    """Return what is known of the address that was asked for."""
    chunk = None if answer.heap is None else answer.heap.chunk_at(around.address)
    facts = (
        None if chunk is None else {"address": f"{chunk.address:#x}", "size": chunk.size, "state": chunk.state.label}
    )
    known = [each.record() for each in around.facts]
    return {"address": Address(around.address), "page": around.page, "chunk": facts, "facts": known}


def _wanted(answer: MappingAnswer, chosen: Sequence[AnnotatedVMA]) -> Sequence[AnnotatedVMA]:
    """Return the mappings that pass --writable and --executable."""
    if answer.is_asked(WRITABLE):
        chosen = [each for each in chosen if each.vma.writable]
    return [each for each in chosen if each.vma.executable] if answer.is_asked(EXECUTABLE) else chosen


def _displayed(answer: MappingAnswer, rows: MappingRows) -> Sequence[MappingRow | Line] | None:
    """Return the rows for people: runs of alike ones folded, but with --count."""
    count = answer.asked.get(COUNT.key)
    shown: list[MappingRow | Line] = folded(rows, answer.thread) if count is None and not answer.with_pages else [*rows]
    if count and len(shown) > count:
        shown = [*shown[:count], left_out(len(shown) - count, "mapping")]
    if not rows and answer.mappings:
        shown.append(Line.plain("none of these is there"))
    shown = list(with_gaps(shown, answer.mappings)) if answer.is_asked(GAPS) else shown
    return list(with_marks(list(with_the_kernels(shown))))


def _sums(answer: MappingAnswer, chosen: Sequence[AnnotatedVMA]) -> Report:
    """Return the answer of --summary."""
    columns = columns_of(MappingSum, resident=answer.resident is not None)
    sums = sums_of(chosen, answer.resident)
    asked = answer.asked.get(COUNT.key)
    count = asked or len(sums)
    left = [left_out(len(sums) - count, "row")] if len(sums) > count else []
    shown = with_few_files(sums) if asked is None else [*sums[:count], *left]
    then = (Next("mm", "the address space, drawn"),)
    return Report("vmmap", (Table(columns, sums, shown), Facts(_totals(answer, chosen))), answer.notes, then)


def _any_huge(answer: MappingAnswer, chosen: Sequence[AnnotatedVMA]) -> bool:
    held = answer.resident or {}
    if not any(each.huge for each in held.values()):
        return False
    return any(each.vma.start in held and held[each.vma.start].huge for each in chosen)


def _rows(answer: MappingAnswer, chosen: Sequence[AnnotatedVMA], pages: Mapping[int, Pages | PageSums]) -> MappingRows:
    return MappingRows(
        chosen, lambda each: mapping_row(each, answer.resident, pages.get(each.vma.start), answer.thread)
    )


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


def _totals(answer: MappingAnswer, chosen: Sequence[AnnotatedVMA]) -> dict[str, Any]:
    kinds: Counter[str] = Counter()
    sharings: Counter[str] = Counter()
    total = 0
    for each in chosen:
        size = each.vma.size
        total += size
        sharings[each.sharing or "unknown"] += size
        for part in each.parts:
            kinds[part.kind] += part.end - part.start
    resident = answer.resident
    held = [resident[each.vma.start] for each in chosen if resident is not None and each.vma.start in resident]
    huge = sum(each.huge for each in held)
    return {
        "mappings": len(chosen),
        "bytes": total,
        "resident_bytes": None if resident is None else sum(each.all for each in held),
        **({"huge_bytes": huge} if huge else {}),
        "by_kind": dict(kinds.most_common()),
        "by_sharing": dict(sharings.most_common()),
    }


def _summary(totals: Mapping[str, Any]) -> tuple[Line, ...]:
    """Return the totals by kind (the largest, each in its colour) and by sharing as lines for people."""
    return tuple(
        Line((("", f"{name.replace('_', ' ')}: "), *_largest(totals[name], name == "by_kind")))
        for name in ("by_kind", "by_sharing")
        if totals[name]
    )


def _largest(sizes: Mapping[str, int], of_kinds: bool) -> Iterator[tuple[str, str]]:
    shown = list(sizes.items())[:_KINDS_SHOWN]
    for number, (name, size) in enumerate(shown):
        yield "", ", " if number else ""
        yield kind_token(name) if of_kinds else "", name.replace("_", " ")
        yield "", f" {human_size(size)}"
    if rest := sum(sizes.values()) - sum(size for _, size in shown):
        yield "", f", {counted(len(sizes) - len(shown), 'other kind')} {human_size(rest)}"


def _at_address(answer: MappingAnswer, address: int, symbol: NamedAddress | None) -> Report:
    """Return the row of the mapping that holds the address (none: no row), for people with its neighbours and what
    is known."""
    from gdbheap.analysis.addresses.explain import page_state
    from gdbheap.sentences.facts.said import said

    mappings = answer.mappings
    index = bisect_right([each.vma.start for each in mappings], address) - 1
    here = [mappings[index]] if index >= 0 and address in mappings[index].vma else []
    below = mappings[index - 1 if here else index] if index >= bool(here) else None
    above = mappings[index + 1] if index + 1 < len(mappings) else None
    if here:
        facts = facts_at(answer.process, here[0], address, answer.heap)
    else:
        facts = facts_between(below, above, address, answer.process)
    lines = [said(each) for each in facts]
    state = page_state(answer.process, address) if here else None
    if state is not None:
        page = OnPage(state)
        facts = (*facts, page)
        lines.append(f"its page: {said(page)}")
    if symbol:
        lines.append(str(symbol))
    around = [*([below] if below else []), *here, *([above] if above else [])]
    rows = _rows(answer, around, _pages(answer.process, around) if answer.with_pages else {})
    mark = Line.plain(f"  ^ {address:#x}" if here else f"  - {address:#x} -", "heading")
    place = bool(below) + bool(here)
    shown: list[MappingRow | Line] = [*rows[:place], mark, *rows[place:]]
    label = None if state is None else state.label
    return _report(answer, here, _Around(facts, lines, list(with_the_kernels(shown)), address, label))


COMMAND = Command(
    name="vmmap",
    summary="Show the process's mappings and what each one is.",
    run=vmmap,
    description=(
        "Shows each mapping's permissions, size and file, and what it is: part of the program or of a library, an "
        "arena's heap or its reserve, mmapped chunks, a thread's stack or its guard, TLS, the kernel's own. No libc "
        "is needed. A run of similar mappings is one row (--count 0 shows each). Below a mapping come the selected "
        "thread's pc and sp, if they lie there, and a warning if it is both writable and executable. For a core, "
        "sharing is not known, and names like [heap] are inferred from the auxiliary vector."
    ),
    arguments=(ARGUMENT, COUNT, SUMMARY, WRITABLE, EXECUTABLE, GAPS, PAGES),
    examples=(
        ("vmmap", "all mappings"),
        ("vmmap libc", "the mappings whose path or description holds libc"),
        ("vmmap rw-p", "those that are private and writable"),
        ("vmmap --writable --executable", "memory that can be written and executed"),
        ("vmmap --summary", "where the address space goes, by kind and file"),
        ("vmmap $sp", "the mapping that holds the stack pointer, and what is known about that address"),
        ("vmmap --pages heap", "which pages of the heaps exist, and as what"),
    ),
)
