"""The rows of heap types: a row a type, or a row a block, for JSON and for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from gdbheap.lazy import dataclass, np
from gdbheap.report.report import ABSENT, Absent
from gdbheap.report.rows import TYPE, TYPE_ASKED_FOR, column, goes
from gdbheap.sentences.block_names import BlockNames, said_kind, with_confidence
from gdbheap.sentences.type_reasons import reason
from gdbheap.types.short_names import short_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.analysis.leaks.leaks import Leaks
    from gdbheap.analysis.types.block_types import BlockTypes
    from gdbheap.analysis.types.by_type import TypeGroup


@dataclass(frozen=True)
class TypeRow:
    """A type, a role, or what has neither."""

    count: int = field(metadata=column("count"))
    bytes: int = field(metadata=column("bytes"))
    share: float = field(metadata=column("share", gives=goes(45)))
    reachable: int = field(metadata=column("count"))
    lost: int = field(metadata=column("count"))
    example: int = field(metadata=column("address", "mem"))
    type: str | None = field(metadata=column("text", "type", gives=TYPE_ASKED_FOR))
    role: str | Absent = field(metadata=column(shown=False))
    elements: int = field(metadata=column("count", shown=False))
    certain: int = field(metadata=column("count", shown=False))
    likely: int = field(metadata=column("count", shown=False))
    possible: int = field(metadata=column("count", shown=False))
    alternatives: Sequence[str] = field(metadata=column("texts", shown=False))


@dataclass(frozen=True)
class BlockRow:
    """A block. There may be a million: they come as tuples of these cells."""

    mem: int = field(metadata=column("address", "mem"))
    size: int = field(metadata=column("size", "size"))
    reachable: bool | None = field(metadata=column("flag"))
    type: str | None = field(metadata=column("text", "type", gives=TYPE))
    confidence: str | None = field(metadata=column(shown=False))
    role: str | Absent = field(metadata=column(shown=False))
    why: str = field(metadata=column())
    verdict: str = field(metadata=column("label", shown=False))
    alternatives: Sequence[str] = field(metadata=column("texts", shown=False))


_UNKNOWN = "unknown"


def group_row(leaks: Leaks, group: TypeGroup, total: int) -> TypeRow:
    """Return the row of a type; `total` is the bytes of all live blocks."""
    kind, (_, possible, likely, certain) = group.kind, group.by_confidence
    return TypeRow(
        count=group.count,
        bytes=group.bytes,
        share=group.bytes / total if total else 0.0,
        reachable=group.reachable,
        lost=group.lost,
        example=int(leaks.held.blocks.start[group.example]),
        type=kind.name or None,
        role=kind.role or ABSENT,
        elements=group.elements,
        certain=certain,
        likely=likely,
        possible=possible,
        alternatives=kind.others,
    )


def display_group(leaks: Leaks, group: TypeGroup, total: int) -> TypeRow:
    """Return the row for people: the name says how sure it is."""
    return replace(group_row(leaks, group, total), type=_said(group))


def _said(group: TypeGroup) -> str:
    kind, (_, possible, likely, certain) = group.kind, group.by_confidence
    if not kind.name:
        return said_kind(kind, "") or _UNKNOWN
    if possible == group.count:
        return with_confidence(kind.name, "possible", list(kind.others))
    if likely == group.count:
        return with_confidence(kind.name, "likely", [])
    parts = [f"{count:,} {words}" for count, words in ((likely, "likely"), (possible, "perhaps")) if count]
    return short_name(kind.name) + (f" ({', '.join(parts)})" if parts and certain + likely + possible else "")


def sums(types: BlockTypes, leaks: Leaks) -> dict[str, int]:
    """Return how many blocks and bytes are named, by confidence, by role alone, and not at all."""
    from gdbheap.analysis.types.block_types import Confidence

    size = leaks.held.blocks.size
    named = (types.type >= 0) | (types.label >= 0)
    level = np.where(named, np.maximum(types.confidence, Confidence.POSSIBLE), Confidence.NONE)
    role = ~named & (types.role >= 0)
    masks = {each.label: level == each for each in reversed(Confidence) if each}
    masks.update({"by_role": role, "unknown": ~named & ~role})
    found = {"blocks": len(size), "bytes": int(size.sum())}
    for name, mask in masks.items():
        found[f"{name}_blocks"] = int(mask.sum())
        found[f"{name}_bytes"] = int(size[mask].sum())
    return found


class BlockRows(Sequence[Sequence[Any]]):
    """The published rows of the chosen blocks, each made when it is asked for."""

    def __init__(self, names: BlockNames, leaks: Leaks, chosen: NDArray[np.intp]) -> None:
        self._names = names
        self._leaks = leaks
        self._chosen = chosen

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return [self._row(block) for block in self._chosen[row].tolist()]
        return self._row(int(self._chosen[row]))

    def __iter__(self) -> Iterator[Sequence[Any]]:
        for block in self._chosen.tolist():
            yield self._row(block)

    def _row(self, block: int) -> tuple[Any, ...]:
        from gdbheap.analysis.leaks.leaks import LeakKind
        from gdbheap.analysis.types.block_types import Confidence
        from gdbheap.analysis.types.by_type import kind_of

        types, leaks = self._names.types, self._leaks
        verdict = LeakKind(int(leaks.verdict[block]))
        name = types.name(block)
        return (
            int(leaks.held.blocks.start[block]),
            int(leaks.held.blocks.size[block]),
            None if verdict is LeakKind.UNDECIDED else verdict is LeakKind.STILL_REACHABLE,
            name or None,
            Confidence(int(types.confidence[block])).label if name else None,
            types.role_name(block) or ABSENT,
            reason(self._names, block),
            verdict.label,
            kind_of(types, block).others,
        )


def display_block(row: Sequence[Any]) -> tuple[Any, ...]:
    """Return a row of BlockRows for people: the name says how sure it is."""
    from gdbheap.analysis.types.by_type import NamedKind

    mem, size, reachable, name, confidence, role, why, verdict, others = row
    if name is not None:
        name = with_confidence(name, confidence, list(others))
    elif role is not ABSENT:
        name = said_kind(NamedKind(role=role), "")
    return mem, size, reachable, name or _UNKNOWN, confidence, role, why, verdict, others
