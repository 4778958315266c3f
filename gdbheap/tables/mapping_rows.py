"""The rows of vmmap: a mapping each, with what it is, and what is to be seen of it at once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from gdbheap.analysis.mappings.annotate import AnnotatedVMA
from gdbheap.lazy import dataclass
from gdbheap.process.address_space import VMA
from gdbheap.process.live.page_sums import PageSums
from gdbheap.process.live.pages import Pages, PageState
from gdbheap.process.live.proc_maps import ResidentBytes
from gdbheap.process.process import Thread
from gdbheap.report.printable import cut_middle, human_size
from gdbheap.report.report import GivesWay, Tokened
from gdbheap.report.rows import PATH, column, goes

_STRIP = 32
# The groups of kinds, by the published name or its end: each has a colour.
_GROUPS = (
    ("code", ("_text", "vdso", "vsyscall")),
    ("read-only data", ("_rodata", "_relro")),
    ("data", ("_data", "_bss")),
    ("heap", ("_heap", "mmapped_chunk", "arena_reserve")),
    ("stack", ("_stack", "tls", "thread_guard")),
    ("anonymous", ("anonymous", "huge_pages", "memfd", "shm")),
)
_REST = "other"
# A file of a long name leaves some room for its path.
_WHAT = (GivesWay(29, 28, cut_middle), GivesWay(32, 12, cut_middle))
WX = "writable and executable"


@dataclass(frozen=True)
class MappingRow:
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
    what: str = field(metadata=column("text", "symbol", heading="what it is", gives=_WHAT))
    path: str = field(metadata=column("text", "path", gives=(*PATH, GivesWay(31))))
    marks: tuple[str, ...] = field(metadata=column("texts", shown=False, published=False))
    kind: str = field(metadata=column(shown=False))
    sharing: str | None = field(metadata=column(shown=False))
    inferred: bool = field(metadata=column("flag", shown=False))
    untouched: int | None = field(metadata=column("count", shown=False))
    zero: int | None = field(metadata=column("count", shown=False))
    anonymous: int | None = field(metadata=column("count", shown=False))
    file: int | None = field(metadata=column("count", shown=False))
    swapped: int | None = field(metadata=column("count", shown=False))
    guard: int | None = field(metadata=column("count", shown=False))


_NOT_COUNTED = dict.fromkeys(state.label for state in PageState)
OF_PAGES = ("strip", "pages", *(state.label for state in PageState))


def mapping_row(
    annotated: AnnotatedVMA,
    resident: Mapping[int, ResidentBytes] | None,
    pages: Pages | PageSums | None,
    thread: Thread | None = None,
) -> MappingRow:
    """Return the row of a mapping; `thread` is the one whose registers are marked."""
    vma = annotated.vma
    held = resident.get(vma.start) if resident is not None else None
    counts = None if pages is None else pages.counts()
    return MappingRow(
        start=vma.start,
        end=vma.end,
        permissions=vma.permissions,
        size=vma.size,
        resident=None if held is None else held.all,
        huge=None if held is None else held.huge,
        offset=vma.offset,
        strip=None if pages is None else pages.strip(_STRIP),
        pages=None if pages is None else _pages_said(pages),
        what=Tokened(annotated.what, kind_token(annotated.kind)),
        path=vma.path,
        marks=tuple(marks_of(annotated.vma, thread)),
        kind=annotated.kind,
        sharing=annotated.sharing,
        inferred=any(part.inferred for part in annotated.parts),
        **(_NOT_COUNTED if counts is None else {state.label: counts[state] for state in PageState}),
    )


class MappingRows(Sequence[MappingRow]):
    """The rows of mappings, each made when it is asked for: people see few of thousands that are alike."""

    def __init__(self, mappings: Sequence[AnnotatedVMA], made: Callable[[AnnotatedVMA], MappingRow]) -> None:
        self.mappings = mappings
        self._made = made

    def __len__(self) -> int:
        return len(self.mappings)

    def __getitem__(self, place: Any) -> Any:
        chosen = self.mappings[place]
        return self._made(chosen) if isinstance(chosen, AnnotatedVMA) else [self._made(each) for each in chosen]


def _pages_said(pages: Pages | PageSums) -> str:
    counts = pages.counts()
    words = [
        f"{counts[state]:,} {state.label}" for state in PageState if counts[state] and state is not PageState.UNTOUCHED
    ]
    return ", ".join([*words, *([f"{human_size(pages.huge)} in huge pages"] if pages.huge else [])])


@functools.cache
def kind_token(kind: str) -> str:
    """Return the token of a published kind."""
    return "mapping." + next((group for group, ends in _GROUPS if kind.endswith(ends)), _REST)


def marks_of(vma: VMA, thread: Thread | None) -> Iterator[str]:
    """Yield what is to be seen at once: that memory can be written and executed, and where the thread is."""
    if vma.writable and vma.executable:
        yield WX
    if thread is not None:
        where = [("pc", thread.program_counter), ("sp", thread.stack_pointer)]
        yield from (f"{name} of thread {thread.number}" for name, address in where if address in vma)
