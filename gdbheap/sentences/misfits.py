"""Blocks that are not what a typed pointer says: in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gdbheap.counted import counted
from gdbheap.types.member_paths import plain_member
from gdbheap.types.short_names import short_name
from gdbheap.types.type_names import member_name, size_of, type_name

if TYPE_CHECKING:
    from gdbheap.analysis.types.block_types import Misfit
    from gdbheap.sentences.block_names import BlockNames


def misfit_lines(names: BlockNames, misfits: Sequence[Misfit], limit: int) -> Iterator[str]:
    """Yield how many there are, a line for each up to the limit (0: all), and what that may come from."""
    if not misfits:
        yield (
            "types: no block is of another kind than what points to it says"
            if names.types.catalogue.types
            else "types: there is no debug information, so it is not known what blocks should be"
        )
        return
    verb = "is" if len(misfits) == 1 else "are"
    yield (
        f"types: {counted(len(misfits), 'block')} {verb} not what a typed pointer says (overwritten, or freed and used "
        "again; a pointer that was cast is not a fault)"
    )
    for each in misfits[: limit or None]:
        yield f"  {_line(names, each)}"
    if limit and len(misfits) > limit:
        yield f"  … {len(misfits) - limit:,} more: --count 0 shows all"


def _line(names: BlockNames, misfit: Misfit) -> str:
    types = names.types
    expected = short_name(type_name(types.catalogue, misfit.expected))
    start = int(types.start[misfit.block]) + misfit.offset
    return f"{start:#x} is no {expected}, as {_holder(names, misfit)} says: {_why(names, misfit, expected)}"


def _holder(names: BlockNames, misfit: Misfit) -> str:
    if misfit.holder < 0:
        member = names.way_from(misfit.place, ())
    else:
        member = names.member_of(misfit.holder, misfit.place - int(names.types.start[misfit.holder]))
    return f"{member} at {misfit.place:#x}" if member else f"the word at {misfit.place:#x}"


def _why(names: BlockNames, misfit: Misfit, expected: str) -> str:
    types = names.types
    if misfit.reason == "too small":
        size = size_of(types.catalogue, misfit.expected)
        return f"the block is too small ({expected} has {counted(size, 'byte')})"
    if misfit.reason == "not a pointer":
        member = plain_member(short_name(member_name(types.catalogue, misfit.expected, misfit.member_offset)))
        return f"what should be {member} is not a pointer"
    name = names.of(misfit.block)
    return f"it is {name}" if name else "it holds something else"


def misfit_facts(names: BlockNames, misfits: Sequence[Misfit]) -> list[dict[str, str | int | None]]:
    """Return the same as JSON has it."""
    types = names.types
    return [
        {
            "mem": f"{int(types.start[each.block]):#x}",
            "offset": each.offset,
            "expected": type_name(types.catalogue, each.expected),
            "type": types.name(each.block) or None,
            "place": f"{each.place:#x}",
            "holder": None if each.holder < 0 else f"{int(types.start[each.holder]):#x}",
            "reason": each.reason.replace(" ", "_"),
        }
        for each in misfits
    ]
