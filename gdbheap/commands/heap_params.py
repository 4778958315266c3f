"""`heap params`: malloc's settings (mp_): what each is, what it means, and what it would be if nobody had changed
it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from gdbheap.errors import NoSymbols
from gdbheap.glibc.layout import Layout
from gdbheap.glibc.sizes import tcache_range
from gdbheap.interface.command import Command
from gdbheap.lazy import dataclass
from gdbheap.report.printable import human_size
from gdbheap.report.report import Next, Report, Table
from gdbheap.report.rows import column, columns_of, goes
from gdbheap.session.target import Target


@dataclass(frozen=True)
class _Row:
    """A parameter: its value and default for programs, and as people read them."""

    name: str = field(metadata=column("text", "symbol"))
    value: int | str = field(metadata=column("value", shown=False))
    default: int | None = field(metadata=column("value", shown=False))
    unit: str = field(metadata=column(shown=False))
    said: str = field(metadata=column("text", "size", heading="value", published=False))
    said_default: str = field(metadata=column("text", "dim", heading="default", published=False))
    tunable: str = field(metadata=column("text", "dim", gives=goes(1)))
    meaning: str = field(metadata=column())


_LAST_TCACHE_BIN = 63
_ALL_ONES = (1 << 32) - 1, (1 << 64) - 1
# enum malloc_thp_mode_t of glibc 2.43, and enum thp_mode_t of 2.44; each with the mode that malloc begins with.
_THP_MODES = (("always", "madvise", "never", "not supported"), 3)
_THP_MODES_OF_2_44 = (("unknown", "not supported", "always", "madvise", "never"), 0)


@dataclass(frozen=True)
class Parameter:
    """What a member of malloc_par means. `unit`: "bytes", "count", "address", "flag" or "mode"; `default` None where
    it differs among glibcs that the struct does not tell apart, or there is none (a counter). `tunable` is its
    name below glibc.malloc."""

    unit: str
    meaning: str
    default: int | None = None
    tunable: str = ""


# Members and defaults: malloc/malloc.c and malloc/arena.c, glibc 2.23 to 2.44.
PARAMETERS = {
    "trim_threshold": Parameter(
        "bytes", "a top of at least this is given back to the system", 128 << 10, "trim_threshold"
    ),
    "top_pad": Parameter("bytes", "added to what is needed whenever the heap grows", 128 << 10, "top_pad"),
    "mmap_threshold": Parameter(
        "bytes", "requests of at least this size get a mapping of their own", 128 << 10, "mmap_threshold"
    ),
    "arena_test": Parameter("count", "arenas made before malloc checks the number of cores", None, "arena_test"),
    "arena_max": Parameter("count", "arenas at most (0: by the number of cores)", 0, "arena_max"),
    "thp_mode": Parameter("mode", "transparent huge pages, as the system sets them"),
    "thp_pagesize": Parameter("bytes", "huge page that the heap is advised to use (0: none)", 0, "hugetlb"),
    "hp_pagesize": Parameter("bytes", "huge page that mappings are made of (0: none)", 0, "hugetlb"),
    "hp_flags": Parameter("count", "flags of mmap for such mappings", 0, "hugetlb"),
    "n_mmaps": Parameter("count", "blocks that have a mapping of their own now"),
    "n_mmaps_max": Parameter("count", "such blocks at most", 65536, "mmap_max"),
    "max_n_mmaps": Parameter("count", "the most such blocks at any time"),
    "no_dyn_threshold": Parameter("flag", "mmap_threshold stays as it is set (no: it grows with freed mappings)", 0),
    "mmapped_mem": Parameter("bytes", "memory in such blocks now"),
    "max_mmapped_mem": Parameter("bytes", "the most memory in them at any time"),
    "max_total_mem": Parameter("bytes", "the most that malloc ever had from the system"),
    "sbrk_base": Parameter("address", "where the main heap began (0: not yet)"),
    "tcache_bins": Parameter("count", "chunk sizes that a thread's cache keeps", 64),
    "tcache_small_bins": Parameter("count", "chunk sizes that a thread's cache keeps, not counting large ones", 64),
    "tcache_max_bytes": Parameter("bytes", "requests up to this may come from a thread's cache", None, "tcache_max"),
    "tcache_count": Parameter("count", "chunks of each size that a thread's cache keeps at most", 7, "tcache_count"),
    "tcache_unsorted_limit": Parameter(
        "count", "unsorted chunks looked at before a cached one is returned (0: all)", 0, "tcache_unsorted_limit"
    ),
    "global_max_fast": Parameter("bytes", "the largest chunk that goes into a fastbin", None, "mxfast"),
}


def params(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Return a row for each member of mp_, in its order, and one for global_max_fast where there are fastbins."""
    layout = target.layout()
    if layout.mp is None or layout.malloc_par is None:
        raise NoSymbols(
            f"malloc's parameters (mp_) could not be found: {layout.missing.get('mp', 'no symbol names them')}"
        )
    value = layout.malloc_par.read(target.process.memory, layout.mp.value)
    members = sorted(layout.malloc_par.fields.values(), key=lambda field: field.offset)
    rows = [_row(layout, each.name, value[each.name]) for each in members]
    if layout.global_max_fast is not None:
        rows.append(_row(layout, "global_max_fast", layout.global_max_fast))
    return Report(
        "heap params",
        (Table(columns_of(_Row), rows),),
        notes=(f"mp_ is at {layout.mp.value:#x} (known by {layout.mp.source})",),
        next=(Next("heap arenas", "what the arenas hold"), Next("heap rss", "what is in memory")),
    )


def _row(layout: Layout, name: str, value: int) -> _Row:
    parameter = PARAMETERS.get(name, Parameter("count", ""))
    default = _default(layout, name, parameter)
    changed = default is not None and value != default
    published = f"{value:#x}" if parameter.unit == "address" else value
    return _Row(
        name=name,
        value=published,
        default=default,
        unit=parameter.unit,
        said=_shown(layout, parameter.unit, value),
        said_default=_shown(layout, parameter.unit, default) if changed and default is not None else "",
        meaning=_meaning(layout, name, parameter),
        tunable=f"glibc.malloc.{parameter.tunable}" if parameter.tunable else "",
    )


def _meaning(layout: Layout, name: str, parameter: Parameter) -> str:
    if name == "tcache_max_bytes" and layout.malloc_par is not None and "tcache_small_bins" in layout.malloc_par:
        return "chunks smaller than this may go into a thread's cache"  # mirrors __libc_free() since glibc 2.42
    return parameter.meaning


def _default(layout: Layout, name: str, parameter: Parameter) -> int | None:
    if name == "arena_test":
        return layout.machine.malloc.arenas_per_processor
    if name == "tcache_count":
        return 7 if layout.has_fastbins else 16
    if name == "tcache_max_bytes" and layout.malloc_par is not None and "tcache_bins" in layout.malloc_par:
        # The request that just fits the last of the 64 bins (MAX_TCACHE_SIZE, to 2.41).
        return tcache_range(_LAST_TCACHE_BIN, layout)[1] - layout.pointer_size
    if name == "global_max_fast":
        return 16 * layout.pointer_size
    if name == "thp_mode":
        return _thp_modes(layout)[1]
    return parameter.default


def _thp_modes(layout: Layout) -> tuple[tuple[str, ...], int]:
    # The release that changed the modes took away tcache_unsorted_limit.
    older = layout.malloc_par is not None and "tcache_unsorted_limit" in layout.malloc_par
    return _THP_MODES if older else _THP_MODES_OF_2_44


def _shown(layout: Layout, unit: str, value: int) -> str:
    if unit == "address":
        return f"{value:#x}"
    if unit == "flag":
        return "yes" if value else "no"
    if unit == "mode":
        modes, _ = _thp_modes(layout)
        return modes[value] if value < len(modes) else str(value)
    if value in _ALL_ONES:
        return "no limit"
    if unit == "bytes" and value >= 1024:
        return f"{value:,} ({human_size(value)})"
    return f"{value:,}"


COMMAND = Command(
    name="heap params",
    summary="Show malloc's parameters: the value of each, its meaning and its default.",
    run=params,
    description=(
        "These are the members of mp_, which mallopt() and glibc's tunables set. The default is shown where the value "
        "differs from it. mmap_threshold and trim_threshold also grow on their own when a mapped block is freed "
        "(unless no_dyn_threshold is set). A tunable is set in the environment: GLIBC_TUNABLES=NAME=VALUE."
    ),
    examples=(
        ("heap params", "every parameter"),
        ("heap params --json", "the same for a program: sizes in bytes"),
    ),
)
