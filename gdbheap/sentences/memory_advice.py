"""What heap rss says of its verdict: why, what to try, and what else has a part in the resident size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gdbheap.analysis.memory_use.memory_verdict import MemoryVerdict
from gdbheap.counted import counted
from gdbheap.glibc.naming import arena_name
from gdbheap.glibc.tops import DEFAULT_TRIM_THRESHOLD
from gdbheap.report.printable import human_size, printable
from gdbheap.report.report import Line

if TYPE_CHECKING:
    # What these bring is kept out of gdb's start: the functions below import it when they are called.
    from gdbheap.allocators.heap import HeapTop
    from gdbheap.analysis.memory_use.largest import LargeMapping
    from gdbheap.analysis.memory_use.residency import Residency
    from gdbheap.process.threads.thread_stacks import StackBlock

# An arena that keeps no more than this free is not told of by itself.
_LITTLE_FREE = 256 << 10
_MOST_ARENAS = 8
# Where so much of all that is resident lies in huge pages, it is said.
_MUCH_HUGE = 1 / 10
_TRY = {
    MemoryVerdict.FRAGMENTATION: (
        "free chunks lie between blocks in use, and share their pages: take long-lived and short-lived blocks from "
        "different pools, or fewer sizes; `heap sizes` shows which"
    ),
    MemoryVerdict.TOO_MANY_ARENAS: "set MALLOC_ARENA_MAX=2 (or GLIBC_TUNABLES=glibc.malloc.arena_max=2), so that "
    "threads share",
    MemoryVerdict.NOT_MALLOC: "look for mmap, thread stacks, shared memory or another allocator; `vmmap` has the "
    "resident size of every mapping",
    MemoryVerdict.UNKNOWN: "this target does not show which pages are resident: attach to the live process",
}

# How the other allocators tell of themselves, when the program is run again or from within it.
_OWN_STATISTICS = {
    "jemalloc": "for jemalloc's own figures: MALLOC_CONF=stats_print:true at exit, malloc_stats_print() at any time",
    "tcmalloc": "for tcmalloc's own figures: MALLOCSTATS=1 at exit, MallocExtension_GetStats() at any time",
    "mimalloc": "for mimalloc's own figures: MIMALLOC_SHOW_STATS=1 at exit, mi_stats_print() at any time",
}

# What programs bring along on top of malloc, and how each block becomes malloc's own, to be seen by the other commands.
_EMBEDDED = {
    "GSlice": "GLib's slices serve small objects out of larger blocks of malloc's: run with G_SLICE=always-malloc to "
    "see each",
    "pymalloc": "Python's pymalloc serves objects up to 512 bytes from arenas of its own: run with "
    "PYTHONMALLOC=malloc to see each",
    "zend": "PHP's allocator (zend) serves a request from chunks of 2 MiB of its own: run with USE_ZEND_ALLOC=0 to "
    "see each block",
    "APR pools": (
        "APR's pools hand out pieces of larger blocks and keep what is cleared: MaxMemFree limits that in httpd; an "
        "APR built with --enable-pool-debug takes each from malloc"
    ),
    "JVM": (
        "the Java heap and the JVM's own memory are told by the JVM itself: -XX:NativeMemoryTracking=summary, then "
        "jcmd PID VM.native_memory"
    ),
}


def share(residency: Residency) -> str:
    """Return how much of the private memory glibc has, in words."""
    from gdbheap.analysis.memory_use.residency import ANONYMOUS

    if residency.kernel is not None:
        of_malloc, others = residency.of_heap, residency.resident(ANONYMOUS)
        return f"glibc holds only {100 * of_malloc / max(of_malloc + others, 1):.0f} % of the anonymous memory here"
    sizes = {part.name: part.size for part in residency.parts}
    of_malloc = sum(part.size for part in residency.parts if part.of_heap)
    return (
        f"glibc has mapped only {100 * of_malloc / max(of_malloc + sizes.get(ANONYMOUS, 0), 1):.0f} % of the anonymous "
        "memory here (what of it was resident is not known)"
    )


def kernel_line(residency: Residency, total: int) -> Iterator[Line]:
    """Yield the sum of all parts beside the kernel's own."""
    if residency.kernel is None:
        return
    apart = residency.kernel - total
    text = f"resident in all: {human_size(total)}; the kernel counts {human_size(residency.kernel)}"
    text += f" ({human_size(abs(apart))} {'more' if apart > 0 else 'less'})" if apart else ""
    if residency.hugetlb:
        text += f", of which {human_size(residency.hugetlb)} are in hugetlbfs, which VmRSS leaves out"
    yield Line.plain(text, "total")


def top_lines(residency: Residency) -> Iterator[Line]:
    """Yield, for each arena with free memory, what malloc_trim would return and what pins its top."""
    tops = sorted(residency.tops, key=lambda top: -(top.free_resident or top.free) - (top.resident or 0))
    large = [top for top in tops if top.trimmable or _kept(top) > _LITTLE_FREE]
    for top in large[:_MOST_ARENAS]:
        words = f"arena {arena_name(top.arena)}: top of {human_size(top.size)} at {top.address:#x}"
        if top.trimmable is not None:
            words += f"; malloc_trim(0) would return {human_size(top.trimmable)}"
        yield Line.plain(words)
        if top.pin is not None:
            address, size, state = top.pin
            below = f"right below it {human_size(top.free_below)} are free, " if top.free_below else ""
            yield Line.plain(
                f"  top is pinned by the chunk at {address:#x} ({size:#x} bytes, {state}); "
                f"{below}{human_size(top.free)} in free chunks in all",
                "dim",
            )
    if len(large) > _MOST_ARENAS:
        yield Line.plain(f"… {counted(len(large) - _MOST_ARENAS, 'more arena')}: --json has all", "dim")
    if little := [top for top in tops if top not in large]:
        each = "" if len(little) == 1 else " each"
        name = f"arena {arena_name(little[0].arena)}" if len(little) == 1 else f"{len(little):,} arenas"
        most = human_size(max(map(_kept, little)))
        none = ", of which malloc_trim(0) would return nothing" if all(top.trimmable == 0 for top in little) else ""
        yield Line.plain(f"{name}: {most} free at most{each}{none}", "dim")


def _kept(top: HeapTop) -> int:
    """Return how much an arena has that is not in use: what is in memory of its top, and its free chunks."""
    return top.free + (top.size if top.resident is None else top.resident)


def unjoined_lines(waiting: Sequence[StackBlock]) -> Iterator[Line]:
    """Yield how many threads have ended that nobody has joined, and what they keep."""
    if waiting:
        size = human_size(sum(each.end - each.start for each in waiting))
        many = len(waiting) > 1
        yield Line.plain(
            f"{counted(len(waiting), 'thread')} {'have' if many else 'has'} ended and {'were' if many else 'was'} "
            f"never joined: glibc keeps {'their stacks' if many else 'its stack'} ({size} of address space) until "
            "pthread_join(), or pthread_detach() beforehand"
        )


def huge_lines(huge: int | None, residency: Residency) -> Iterator[Line]:
    """Yield how much lies in huge pages that the kernel gave unasked, where that is much. (Pages of hugetlbfs the
    program asked for.)"""
    transparent = (huge or 0) - residency.hugetlb
    if transparent > 0 and transparent >= (residency.kernel or 0) * _MUCH_HUGE:
        yield Line.plain(
            f"in huge pages: {human_size(transparent)}: one byte that is touched makes 2 MiB of them resident, "
            "untouched parts of blocks too (`vmmap` has them by mapping; madvise(MADV_NOHUGEPAGE), or never in "
            "/sys/kernel/mm/transparent_hugepage/enabled, goes without)"
        )


def largest_lines(largest: Sequence[LargeMapping]) -> Iterator[Line]:
    """Yield the mappings in which most of what is not malloc's lies."""
    for each in largest:
        path = f" {printable(each.path)}" if each.path else ""
        yield Line.plain(
            f"  {human_size(each.resident)} resident: {each.start:#x}-{each.end:#x} {printable(each.what)}{path}"
        )


def allocator_lines(in_place: Sequence[str], embedded: Sequence[str]) -> Iterator[Line]:
    """Yield how allocators in malloc's place tell of themselves, and how those on top of it are switched off."""
    for name in in_place:
        yield Line.plain(f"try: {_OWN_STATISTICS[name]}")
    for name in embedded:
        yield Line.plain(_EMBEDDED[name])


def verdict_line(residency: Residency, verdict: MemoryVerdict, of_core: bool) -> Line:
    """Return the verdict, and why. `of_core`: what counts as resident is what the core has."""
    return Line.plain(f"verdict: {verdict.value.replace('_', ' ')}{_why(residency, verdict, of_core)}", "heading")


def advice_lines(residency: Residency, verdict: MemoryVerdict, threshold: int | None) -> Iterator[Line]:
    """Yield what to try; `threshold` is malloc's trim_threshold."""
    trimmable = sum(top.trimmable or 0 for top in residency.tops)
    if verdict is MemoryVerdict.RETENTION and residency.kept > trimmable:
        yield Line.plain(f"try: {_about_kept_tops(threshold)}")
    elif verdict is MemoryVerdict.RETENTION:
        yield Line.plain(f"try: {_about_trimming(residency)}")
    else:
        if verdict is MemoryVerdict.FRAGMENTATION:
            yield Line.plain(_about_trimming(residency))
        if verdict in _TRY:
            yield Line.plain(f"try: {_TRY[verdict]}")


def _about_trimming(residency: Residency) -> str:
    """Return what each of the calls would gain."""
    by_call = sum(top.trimmable or 0 for top in residency.tops)
    by_threshold = sum(top.by_threshold or 0 for top in residency.tops)
    return (
        f"malloc_trim(0) would give back {human_size(by_call)}; a trim threshold (M_TRIM_THRESHOLD, "
        f"GLIBC_TUNABLES=glibc.malloc.trim_threshold={DEFAULT_TRIM_THRESHOLD}) {human_size(by_threshold)}, for it "
        "reaches only the tops of the arenas"
    )


def _about_kept_tops(threshold: int | None) -> str:
    """Return why tops of thread arenas stay, and what helps."""
    default = f"GLIBC_TUNABLES=glibc.malloc.trim_threshold={DEFAULT_TRIM_THRESHOLD}"
    if threshold is None:
        why = "free() keeps the top of a thread's arena as long as it is smaller than trim_threshold"
    else:
        why = (
            "free() keeps the top of a thread's arena as long as it is smaller than trim_threshold, "
            f"{human_size(threshold)} here"
        )
    if threshold is not None and threshold > DEFAULT_TRIM_THRESHOLD:
        why += (
            f" ({human_size(DEFAULT_TRIM_THRESHOLD)} by default: it was set, or freeing a large mapped block has "
            "raised it)"
        )
    elif threshold is not None:
        return f"{why}, and malloc_trim() leaves it: fewer arenas (MALLOC_ARENA_MAX=2) keep less"
    return f"{why}, and malloc_trim() leaves it: a fixed threshold ({default}, or M_TRIM_THRESHOLD) gives it back"


def _why(residency: Residency, verdict: MemoryVerdict, of_core: bool) -> str:
    from gdbheap.analysis.memory_use.residency import IN_USE, MMAPPED

    of_malloc = residency.of_heap
    live, free = residency.resident(IN_USE, MMAPPED), residency.free
    if verdict is MemoryVerdict.UNKNOWN:
        return ""
    if verdict is MemoryVerdict.NOT_MALLOC:
        return f": glibc's malloc has {human_size(of_malloc)} of it"
    if verdict is MemoryVerdict.LIVE:
        return f": {human_size(live)} of malloc's {human_size(of_malloc)} are blocks in use"
    trimmable = sum(top.trimmable or 0 for top in residency.tops)
    where = "in the core" if of_core else "resident"
    kept = f"; {human_size(residency.kept)} are the tops of threads' arenas" if residency.kept > trimmable else ""
    return (
        f": {human_size(free)} of malloc's {human_size(of_malloc)} are free and {where}{kept}; malloc_trim could "
        f"return {human_size(trimmable)}"
    )
