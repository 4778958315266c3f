"""How a block's type is known, in words: in one phrase, and as the way from a variable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gdbheap.counted import counted
from gdbheap.types.member_paths import plain_member
from gdbheap.types.short_names import short_name

if TYPE_CHECKING:
    from gdbheap.analysis.types.block_types import How, TypeStep
    from gdbheap.sentences.block_names import BlockNames

# Steps of a chain that are told; the middle of a longer one is left out.
_MOST_STEPS = 24


def reason(names: BlockNames, block: int) -> str:
    """Return how the block's name is known, in a phrase: "dictEntry.key points to it", "its vtable"; "" where it has
    none."""
    from gdbheap.analysis.types.block_types import How

    types = names.types
    role = plain_member(short_name(types.role_name(block)))
    if int(types.type[block]) < 0:
        return "its contents" if types.label[block] >= 0 else f"{role} points to it" if role else ""
    how = How(int(types.how[block]))
    by_itself = {
        How.VTABLE: "its vtable",
        How.POINTS_TO: "it points where this type's members point, and has its size",
        How.SAME_CALL: "blocks of its size and shape, which point where it does, are of this type",
        How.CONTENTS: "its contents",
        How.APPENDED: "it holds such an object and, right behind that, what its own pointer leads to",
    }.get(how)
    if how == How.INSIDE and not types.parent_place[block]:
        by_itself = "a vtable pointer in it"
    return by_itself or _by_what_leads(how, role, _leading(names, block))


def _by_what_leads(how: How, role: str, leads: str) -> str:
    from gdbheap.analysis.types.block_types import How

    return {
        How.VARIABLE: f"{leads} points to it",
        How.MEMBER: f"{leads} points to it",
        How.PART: f"{leads} points to a part of it",
        How.ARRAY: f"{leads} points to it, and it has room for several",
        How.CONTAINER: f"it belongs to a container of the C++ library ({leads})",
        How.CALLBACK: f"{role or leads} points to it, and a function beside that has a variable of this type",
        How.SIBLING_ROLE: f"{role or leads} points to it, and elsewhere to such blocks",
        How.INSIDE: f"{leads} points to such an object in it",
    }.get(how, how.label.replace("_", " "))


def _leading(names: BlockNames, block: int) -> str:
    """Return the member or variable whose word led to the block."""
    types = names.types
    holder, place = int(types.parent[block]), int(types.parent_place[block])
    if holder >= 0:
        return names.member_of(holder, place - int(types.start[holder])) or "a block"
    return names.way_from(place, ()) or "a variable"


def chain_lines(names: BlockNames, block: int) -> Iterator[str]:
    """Yield the way from a variable to the block, a line a step; steps that repeat (along a list) are one line."""
    steps = list(_folded(names.types.chain(block)))
    for index, (step, times) in enumerate(steps):
        if len(steps) > _MOST_STEPS and _MOST_STEPS // 2 <= index < len(steps) - _MOST_STEPS // 2:
            if index == _MOST_STEPS // 2:
                yield f"    … {counted(len(steps) - _MOST_STEPS, 'more step')}"
            continue
        repeated = f" (and so on, {times:,} times)" if times > 1 else ""
        where = f" at {step.place:#x}" if step.place else ""
        target = int(names.types.start[step.target])
        name = names.of(step.target)
        yield f"  {'→ ' if index else '  '}{_step(names, step)}{where}{repeated} → {target:#x} {name}".rstrip()


def _step(names: BlockNames, step: TypeStep) -> str:
    if step.holder < 0:
        return names.way_from(step.place, ()) or "a variable"
    return names.member_of(step.holder, step.place - int(names.types.start[step.holder])) or f"{step.place:#x}"


def chain_path(names: BlockNames, block: int, *further: str) -> str:
    """Return the way from a variable to the block as one expression: "server.sessions->buckets[17]->session", and
    `further` along members that path_within() gives; "" where none is known."""
    steps = names.types.chain(block)
    if not steps or steps[0].holder >= 0:
        return ""
    start = names.types.start
    within = [names.path_within(each.holder, each.place - int(start[each.holder])) for each in steps[1:]]
    return names.way_from(steps[0].place, [*within, *further])


def _folded(steps: Sequence[TypeStep]) -> Iterator[tuple[TypeStep, int]]:
    """Yield each step with how often it comes in a row: the last of those."""
    at = 0
    while at < len(steps):
        end = at + 1
        while end < len(steps) and steps[end].member == steps[at].member:
            end += 1
        yield steps[end - 1], end - at
        at = end
