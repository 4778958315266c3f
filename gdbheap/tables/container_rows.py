"""heap types --containers: how full the C++ containers of the heap are, and what they waste."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from gdbheap.counted import counted
from gdbheap.lazy import dataclass
from gdbheap.report.printable import human_size
from gdbheap.report.report import ABSENT, Absent, Facts, Line, Next, Prose, Report, Table
from gdbheap.report.rows import TYPE, column, columns_of
from gdbheap.types.short_names import short_name
from gdbheap.types.type_names import type_name

if TYPE_CHECKING:
    from gdbheap.allocators.blocks import Blocks
    from gdbheap.analysis.types.block_types import BlockTypes
    from gdbheap.analysis.types.container_use import ContainerUse
    from gdbheap.process.process import Process


@dataclass(frozen=True)
class ContainerRow:
    """The containers of one type."""

    count: int = field(metadata=column("count"))
    entries: int = field(metadata=column("count"))
    capacity: int | Absent = field(metadata=column("count"))
    wasted_bytes: int = field(metadata=column("bytes", heading="wasted"))
    most_entries: int = field(metadata=column("count", heading="fullest has"))
    fullest: int = field(metadata=column("address", "mem"))
    type: str = field(metadata=column("text", "type", gives=TYPE))
    kind: str = field(metadata=column(shown=False))


def containers_report(
    process: Process, types: BlockTypes, blocks: Blocks, limit: int, notes: tuple[str, ...]
) -> Report:
    """Return a row for each type of container, and what texts the heap holds more than once."""
    from gdbheap.analysis.types.container_use import container_use  # kept out of gdb's start
    from gdbheap.analysis.types.duplicates import duplicate_texts

    uses = container_use(process.memory, types)
    twice = duplicate_texts(process.memory, types, blocks, process.pointer_size)
    rows = [_row(types, each) for each in uses]
    shown = [*rows[: limit or len(rows)]]
    after = []
    if len(shown) < len(rows):
        after.append(Line.plain(f"… {counted(len(rows) - len(shown), 'more type')}: --count 0 shows all", "dim"))
    wasted = sum(each.wasted for each in uses)
    after.append(Line.plain(f"unused room in containers: {human_size(wasted)}", "total"))
    after.append(
        Line.plain(
            f"strings stored more than once: {counted(twice.texts, 'text')}, whose "
            f"{counted(twice.blocks, 'copy', 'copies')} take {human_size(twice.bytes)}"
        )
    )
    return Report(
        "heap types",
        (
            Table(columns_of(ContainerRow), rows, shown),
            Prose(tuple(after)),
            Facts(
                {
                    "wasted_bytes": wasted,
                    "duplicate_texts": twice.texts,
                    "duplicate_blocks": twice.blocks,
                    "duplicate_bytes": twice.bytes,
                },
                shown=False,
            ),
        ),
        notes=notes,
        next=(Next(f"heap owners {rows[0].fullest:#x}", "who points to the fullest of the first"),) if rows else (),
    )


def _row(types: BlockTypes, use: ContainerUse) -> ContainerRow:
    return ContainerRow(
        use.count,
        use.entries,
        ABSENT if use.capacity is None else use.capacity,
        use.wasted,
        use.most,
        use.fullest,
        short_name(type_name(types.catalogue, use.type)),
        use.kind.name.lower(),
    )
