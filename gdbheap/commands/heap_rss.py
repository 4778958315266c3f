"""heap rss: where the resident memory is, what malloc_trim could return, what keeps the rest, and what to try."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from gdbheap.analysis.memory_use.memory_verdict import MemoryVerdict
from gdbheap.counted import counted
from gdbheap.errors import HeapError, NoHeap, NoSymbols, UsageError
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.naming import arena_name
from gdbheap.interface.command import Command, Target
from gdbheap.report.printable import human_size
from gdbheap.report.report import ABSENT, Column, Line, Report

if TYPE_CHECKING:
    # What these bring is kept out of gdb's start: the functions below import it when they are called.
    from gdbheap.analysis.memory_use.residency import Residency, Top

_COLUMNS = (
    Column("part", "text", shown=False),
    Column("what", "text", heading="part"),
    Column("count", "count", heading="chunks"),
    Column("size", "bytes"),
    Column("resident", "bytes"),
)
_WORDS = {
    "in_use": "blocks in use",
    "mmapped_in_use": "mmapped blocks in use",
    "tcache": "free, in tcaches",
    "fastbin": "free, in fastbins",
    "unsorted": "free, in unsorted bins",
    "small": "free, in small bins",
    "large": "free, in large bins",
    "top": "top of the arenas",
    "malloc_own": "malloc's own chunks, fenceposts, gaps",
    "around": "around the chunks: arenas, ends of pages",
    "anonymous": "other anonymous memory, not malloc's",
    "stacks": "stacks",
    "module_data": "data of the program and its libraries",
    "files": "files: code and read-only data",
    "shared": "shared memory",
    "other": "other",
}
_TRY = {
    MemoryVerdict.LIVE: "the program holds it: `heap leaks` shows what nobody points to, `heap snapshot` and `heap diff` what grows",
    MemoryVerdict.RETENTION: "call malloc_trim(0) now and then, or set M_TRIM_THRESHOLD (GLIBC_TUNABLES=glibc.malloc.trim_threshold=...)",
    MemoryVerdict.FRAGMENTATION: (
        "free chunks lie between blocks in use, and share their pages: take long-lived and short-lived blocks from different pools, or fewer "
        "sizes; `heap sizes` shows which"
    ),
    MemoryVerdict.TOO_MANY_ARENAS: "set MALLOC_ARENA_MAX=2 (or GLIBC_TUNABLES=glibc.malloc.arena_max=2), so that threads share",
    MemoryVerdict.NOT_MALLOC: "`vmmap --resident` shows which mappings: look for mmap, thread stacks, shared memory or another allocator",
    MemoryVerdict.UNKNOWN: "this target does not tell which pages are resident: attach to the live process",
}

# How the other allocators tell of themselves, when the program is run again or from within it.
_OWN_STATISTICS = {
    "jemalloc": "jemalloc's own word: MALLOC_CONF=stats_print:true tells it at exit, malloc_stats_print() at any time",
    "tcmalloc": "tcmalloc's own word: MALLOCSTATS=1 tells it at exit, MallocExtension_GetStats() at any time",
    "mimalloc": "mimalloc's own word: MIMALLOC_SHOW_STATS=1 tells it at exit, mi_stats_print() at any time",
}


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Reconcile the resident size, part by part."""
    from gdbheap.analysis.memory_use.memory_verdict import judge_memory
    from gdbheap.analysis.memory_use.other_allocators import other_allocators
    from gdbheap.analysis.memory_use.residency import read_residency

    notes: list[str] = []
    view = _heap(target, notes)
    residency = read_residency(target.process, view)
    verdict = judge_memory(residency)
    allocators = other_allocators(target.process, lambda name: _is_defined(target, name))
    rows = [_row(part) for part in residency.parts if part.size or part.resident]
    if allocators:
        notes.append(f"{' and '.join(allocators)} in this process: {_share(residency)}")
    total = sum(part.resident or 0 for part in residency.parts)
    known = residency.kernel is not None
    return Report(
        command="heap rss",
        columns=_COLUMNS,
        rows=rows,
        after=(
            *_kernel_line(residency, total),
            *_top_lines(residency),
            *_verdict_lines(residency, verdict),
            *(Line.plain(f"  try: {_OWN_STATISTICS[name]}") for name in allocators),
        ),
        totals={
            "verdict": verdict.value,
            "resident": total if known else None,
            "kernel_rss": residency.kernel,
            "trimmable": sum(top.trimmable or 0 for top in residency.tops) if known else None,
            "other_allocators": allocators,
            "tops": [_top_json(top) for top in residency.tops],
        },
        totals_shown=False,
        notes=(*(view.notes if view is not None else ()), *notes),
        faults=view.faults if view is not None else (),
    )


def _heap(target: Target, notes: list[str]) -> HeapView | None:
    try:
        return target.heap()
    except (NoHeap, NoSymbols) as error:
        notes.append(f"nothing of glibc's malloc: {error}")
        return None


def _is_defined(target: Target, name: str) -> bool:
    try:
        return bool(target.evaluate(f"(unsigned long)&{name}"))
    except UsageError:
        return False
    except HeapError:
        return False


def _row(part: Any) -> tuple[Any, ...]:
    return part.name, _WORDS[part.name], ABSENT if part.count is None else part.count, part.size, part.resident


def _share(residency: Residency) -> str:
    """Return how much of the private memory glibc has, in words."""
    from gdbheap.analysis.memory_use.memory_verdict import MALLOC
    from gdbheap.analysis.memory_use.residency import ANONYMOUS

    if residency.kernel is not None:
        of_malloc, whole = residency.resident(*MALLOC), residency.resident(*MALLOC, ANONYMOUS)
        return f"glibc holds only {100 * of_malloc / max(whole, 1):.0f} % of the anonymous memory here"
    sizes = {part.name: part.size for part in residency.parts}
    of_malloc = sum(sizes.get(name, 0) for name in MALLOC)
    return (
        f"glibc has mapped only {100 * of_malloc / max(of_malloc + sizes.get(ANONYMOUS, 0), 1):.0f} % of the anonymous memory here "
        "(what of it was resident is not known)"
    )


def _kernel_line(residency: Residency, total: int) -> Iterator[Line]:
    if residency.kernel is None:
        return
    apart = residency.kernel - total
    text = f"resident in all: {human_size(total)}; the kernel counts {human_size(residency.kernel)}"
    yield Line.plain(
        text + (f" ({human_size(abs(apart))} {'more' if apart > 0 else 'less'})" if apart else ""), "total"
    )


def _top_lines(residency: Residency) -> Iterator[Line]:
    """Yield, for each arena with free memory, what malloc_trim would return and what pins its top."""
    tops = sorted(residency.tops, key=lambda top: -(top.free_resident or top.free) - (top.resident or 0))
    for top in tops[:8]:
        words = f"arena {arena_name(top.arena)}: top of {human_size(top.size)} at {top.address:#x}"
        if top.trimmable is not None:
            words += f"; malloc_trim(0) would return {human_size(top.trimmable)}"
        yield Line.plain(words)
        if top.pin is not None:
            address, size, state = top.pin
            below = f"right below it {human_size(top.free_below)} are free, " if top.free_below else ""
            yield Line.plain(
                f"  top is pinned by the chunk at {address:#x} ({size:#x} bytes, {state.label}); {below}{human_size(top.free)} "
                "in free chunks in all",
                "dim",
            )
    if len(tops) > 8:
        yield Line.plain(f"… {counted(len(tops) - 8, 'more arena')}: --json has all", "dim")


def _verdict_lines(residency: Residency, verdict: MemoryVerdict) -> Iterator[Line]:
    yield Line.plain(f"verdict: {verdict.value.replace('_', ' ')}{_why(residency, verdict)}", "heading")
    yield Line.plain(f"  try: {_TRY[verdict]}")


def _why(residency: Residency, verdict: MemoryVerdict) -> str:
    from gdbheap.analysis.memory_use.memory_verdict import FREE, LIVE, MALLOC
    from gdbheap.analysis.memory_use.residency import TOP

    of_malloc = residency.resident(*MALLOC)
    live, free = residency.resident(*LIVE), residency.resident(*FREE, TOP)
    if verdict is MemoryVerdict.UNKNOWN:
        return ""
    if verdict is MemoryVerdict.NOT_MALLOC:
        return f": glibc's malloc has {human_size(of_malloc)} of it"
    if verdict is MemoryVerdict.LIVE:
        return f": {human_size(live)} of malloc's {human_size(of_malloc)} are blocks in use"
    trimmable = sum(top.trimmable or 0 for top in residency.tops)
    return (
        f": {human_size(free)} of malloc's {human_size(of_malloc)} are free and resident; malloc_trim could return "
        f"{human_size(trimmable)}"
    )


def _top_json(top: Top) -> dict[str, Any]:
    pin = top.pin
    return {
        "arena": arena_name(top.arena),
        "address": f"{top.address:#x}",
        "size": top.size,
        "resident": top.resident,
        "pin": None if pin is None else f"{pin[0]:#x}",
        "pin_size": None if pin is None else pin[1],
        "pin_state": None if pin is None else pin[2].label,
        "free_below": top.free_below,
        "free": top.free,
        "free_resident": top.free_resident,
        "trimmable": top.trimmable,
    }


COMMAND = Command(
    name="heap rss",
    summary="Show where the resident memory is, what could be given back, and what to try.",
    description=(
        "Each resident page is counted where it belongs: blocks in use, free chunks by their bins, top, stacks, data, files, and what is not "
        "malloc's. A page that several chunks share is divided among them. For each arena: what malloc_trim(0) would return, and the chunk "
        "right below top that keeps what is below from going back to the system."
    ),
    run=run,
    arguments=(),
    examples=(("heap rss", "why memory grows though no tool finds a leak"),),
)
