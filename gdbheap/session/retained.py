"""What this stop's roots and blocks retain, as commands share it, and what holders are called."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.roots import STACK
from gdbheap.analysis.retained.root_groups import LOCAL
from gdbheap.lazy import dataclass
from gdbheap.session.block_types import plain_types
from gdbheap.session.place_name import place_name
from gdbheap.session.pointer_graph import pointer_graph
from gdbheap.session.root_spans import root_groups
from gdbheap.session.target import Key, Target
from gdbheap.types.catalogue import NONE
from gdbheap.types.short_names import short_name
from gdbheap.types.type_names import type_name

if TYPE_CHECKING:
    from gdbheap.analysis.retained.parts import Part
    from gdbheap.analysis.retained.retained import Retained
    from gdbheap.analysis.retained.shared import SharedGroup
    from gdbheap.analysis.types.block_types import BlockTypes
    from gdbheap.report.progress import Progress

MEMBER = "member"
# Ends of sections: no variables.
_OF_LINKERS = ("__bss_start", "_edata", "edata", "_end", "end")
# So many parts of blocks one below the other are in a name.
_DEEPEST = 4
# So many of the holders of what is shared are named.
_MOST_NAMED = 3
_RETAINED: Key[Retained] = Key("retained")


@dataclass(frozen=True)
class HolderName:
    """What a holder is called: its `kind` ("global", "block", ...), its `name`, its `type` ("" unknown) and its address
    (None: a register, or what the kernel keeps)."""

    kind: str
    name: str
    type: str = ""
    address: int | None = None


def retained(target: Target) -> Retained:
    """Return what everything retains: computed once, kept until the process runs on."""
    from gdbheap.analysis.retained.retained import retain  # kept out of gdb's start

    held, groups, types = pointer_graph(target), root_groups(target), plain_types(target)

    def compute(progress: Progress | None) -> Retained:
        return retain(held, groups, types, None if progress is None else progress.of_objects)

    return target.keep(_RETAINED, compute, "finding what each holder keeps alive")


def holder_name(target: Target, found: Retained, node: int, depth: int = 0) -> HolderName:
    """Return what a root group or a part (a node of the tree) is called; `depth`: how many parts further down."""
    if node >= found.holders:
        return _part_name(target, found, node, depth)
    group = found.groups[node - found.blocks]
    if group.register is not None:
        register = found.held.roots.registers[group.register]
        thread = "" if register.thread is None else f" of thread {register.thread}"
        return HolderName(group.kind, register.register + thread)
    if group.span is not None:
        kind = type_name(plain_types(target).catalogue, group.span.type) if group.span.type >= 0 else ""
        thread = "" if group.span.thread is None else f" of thread {group.span.thread}"
        return HolderName(group.kind, short_name(group.span.name) + thread, short_name(kind), group.start)
    place = place_name(target, found.held.roots, group.start)
    is_local = group.kind == STACK and place.stack is not None and bool(place.stack.local)
    is_named = place.symbol is not None and place.symbol.name not in _OF_LINKERS
    name = (not is_named and _in_module(target, group.start)) or str(place) or f"{group.start:#x}"
    return HolderName(LOCAL if is_local else group.kind, name, "", group.start)


def _part_name(target: Target, found: Retained, node: int, depth: int) -> HolderName:
    """Return "server.sessions" for a variable's part, "server->sessions" for one of a block that a variable holds
    alone, "Server::sessions" for one of any other block; where no type tells "server->+0x10", "server->…->+0x10" for
    one many blocks below, "block 0x55..+0x10" for one that several variables hold."""
    types = plain_types(target)
    owner, start = int(found.parts.owner[node - found.holders]), int(found.parts.start[node - found.holders])
    if owner >= found.blocks:
        variable, whole = holder_name(target, found, owner), found.groups[owner - found.blocks]
        part = _part(types, NONE if whole.span is None else whole.span.type, start)
        return HolderName(MEMBER, variable.name + part.way, _type_of(types, part), whole.start + start)
    part = _part(types, int(types.type[owner]), start)
    inside, above = start + int(types.part[owner]), int(found.tree.parent[owner])
    address = int(found.held.blocks.start[owner]) + inside
    if part.type != NONE and above >= found.blocks and above != found.root:
        name = f"{holder_name(target, found, above, depth + 1).name}->{part.way[1:]}"
    elif part.type != NONE:
        name = short_name(types.name(owner)) + part.way.replace(".", "::", 1)
    elif found.blocks <= above != found.root and depth < _DEEPEST:
        name = f"{holder_name(target, found, above, depth + 1).name}->{part.way}"
    else:
        top = _variable_above(target, found, above)
        name = f"{top}->…->{part.way}" if top else f"block {address - inside:#x}{part.way}"
    return HolderName(MEMBER, name, _type_of(types, part), address)


def _variable_above(target: Target, found: Retained, node: int) -> str:
    """Return the name of the variable that all of a node hangs on; "" where several hold it."""
    while node != found.root and int(found.tree.parent[node]) != found.root:
        node = int(found.tree.parent[node])
    return holder_name(target, found, node).name if found.blocks <= node < found.holders else ""


def _part(types: BlockTypes, number: int, start: int) -> Part:
    from gdbheap.analysis.retained.parts import Part, part_at  # kept out of gdb's start

    part = part_at(types.catalogue, number, start)
    return part if part.way else Part(start, f"+{start:#x}", NONE)


def _type_of(types: BlockTypes, part: Part) -> str:
    return "" if part.type == NONE else short_name(type_name(types.catalogue, part.type))


def nearest_name(target: Target, found: Retained, block: int) -> str:
    """Return the variable or member that is nearest above a block, the names of those that share it; "" where nothing
    leads to it."""
    from gdbheap.analysis.retained.shared import shared_groups  # kept out of gdb's start

    if not found.tree.count[block]:
        return ""
    node, top = block, block
    while node < found.blocks:
        node, top = int(found.tree.parent[node]), node
    if node != found.root:
        return holder_name(target, found, node).name
    group = next(each for each in shared_groups(found, node) if top in each.nodes)
    return shared_name(target, found, group)


def owner_name(target: Target, found: Retained, group: SharedGroup) -> str:
    """Return the name of the likeliest owner of what several share, by its member if that points to it; "" where none
    is likelier than the others."""
    if group.owner is None:
        return ""
    own = [each for each in group.direct if each >= found.holders]
    own = [each for each in own if found.parts.owner[each - found.holders] == group.owner]
    return holder_name(target, found, own[0] if len(own) == 1 else group.owner).name


def shared_name(target: Target, found: Retained, group: SharedGroup) -> str:
    """Return the names of those that share something: "a, b and others"; "a, also reachable from b" where a is likely
    the owner."""
    owner, others = owner_name(target, found, group), other_names(target, found, group)
    return f"{owner}, also reachable from {others}" if owner and others else owner or others


def other_names(target: Target, found: Retained, group: SharedGroup) -> str:
    """Return the names of those that share something but its owner; of one block those that point to it first."""
    first = list(dict.fromkeys([*group.direct, *group.holders]))
    owners = {int(found.parts.owner[each - found.holders]) for each in group.direct if each >= found.holders}
    first = [each for each in first if each not in owners and not _is_of(found, group, each)]
    most = _MOST_NAMED if group.owner is None else _MOST_NAMED - 1
    told = [holder_name(target, found, each).name for each in first[:most]]
    told += ["others"] if group.others or len(first) > most else []
    return " and ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)


def _is_of(found: Retained, group: SharedGroup, holder: int) -> bool:
    """Whether a holder is the owner of what a group shares, or a member of it."""
    is_member = holder >= found.holders and found.parts.owner[holder - found.holders] == group.owner
    return holder == group.owner or bool(is_member)


def _in_module(target: Target, address: int) -> str:
    """Return where in a module's file a word without a symbol lies: "libfoo.so.1 + 0x4010"; "" where in none."""
    for module in target.process.modules:
        if any(each.start <= address < each.end for each in module.segments):
            return f"{os.path.basename(module.path)} + {address - module.load_base:#x}"
    return ""
