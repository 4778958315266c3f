"""The rows of heap retained: what a node of the dominator tree is called, and what it retains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

from gdbheap.counted import counted
from gdbheap.lazy import dataclass, np
from gdbheap.report.printable import cut_middle
from gdbheap.report.report import ABSENT, Absent, GivesWay
from gdbheap.report.rows import TYPE, TYPE_ASKED_FOR, column
from gdbheap.session.block_kinds import BlockKinds, block_kinds
from gdbheap.session.retained import HolderName, holder_name, owner_name, retained, shared_name
from gdbheap.session.target import Target

if TYPE_CHECKING:
    from gdbheap.analysis.retained.owner_paths import OwnerPath
    from gdbheap.analysis.retained.retained import Retained
    from gdbheap.analysis.retained.shared import SharedGroup

SHARED, BLOCK = "shared", "block"
# Members are told with their owner if they retain so much of all, and so deep.
_LARGE = 0.01
_DEEPEST = 4
# So many blocks below a node are rows of their own.
_FEW = 12
# So many of the largest holders may be meant by a name.
_MOST_LOOKED_AT = 2_000
# More rows than these are not made: a name may take gdb a millisecond.
MOST_ROWS = 10_000


# One long holder does not take the room of all types.
_HOLDER = (GivesWay(39, 44, cut_middle), GivesWay(45, 20, cut_middle))


@dataclass(frozen=True)
class RetainerRow:
    """A holder, a member of one, a block, or what several share: what it retains."""

    bytes: int = field(metadata=column("bytes", heading="retains"))
    share: float = field(metadata=column("share"))
    blocks: int = field(metadata=column("count"))
    kind: str = field(metadata=column("label"))
    holder: str = field(metadata=column("text", "symbol", gives=_HOLDER))
    type: str | None = field(metadata=column("text", "type", gives=TYPE))
    example: int | Absent = field(metadata=column("address", "mem"))
    holders: Sequence[str] = field(metadata=column("texts", shown=False))
    within: str | Absent = field(metadata=column(shown=False))
    owner: str | Absent | None = field(metadata=column(shown=False))


@dataclass(frozen=True)
class KindRow:
    """A kind of block: what its topmost blocks retain, and what they are themselves."""

    bytes: int = field(metadata=column("bytes", heading="retains"))
    share: float = field(metadata=column("share"))
    count: int = field(metadata=column("count"))
    own_bytes: int = field(metadata=column("bytes", heading="own"))
    type: str = field(metadata=column("text", "type", gives=TYPE_ASKED_FOR))
    example: int = field(metadata=column("address", "mem"))


class RetainedRows:
    """One question's facts, and the words for them."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.found: Retained = retained(target)
        self.kinds: BlockKinds = block_kinds(target)
        self.total = int(self.found.bytes[self.found.root])

    @cached_property
    def shared(self) -> list[SharedGroup]:
        """What several variables hold together."""
        from gdbheap.analysis.retained.shared import shared_groups  # kept out of gdb's start

        return shared_groups(self.found, self.found.root)

    def share(self, size: int) -> float:
        return size / self.total if self.total else 0.0

    def name(self, node: int) -> HolderName:
        """Return what a node is called."""
        if node >= self.found.blocks:
            return holder_name(self.target, self.found, node)
        start = int(self.found.held.blocks.start[node])
        return HolderName(BLOCK, f"block {start:#x}", self.kinds.name(node), start)

    def named(self, text: str) -> int | None:
        """Return the variable of that name, with or without its thread, or the member; None where there is none. Of
        several the one that retains most."""
        found = self.found
        ranges = ((found.blocks, found.holders), (found.holders, found.root))
        by_size = (
            first + np.argsort(-found.bytes[first:end], kind="stable")[:_MOST_LOOKED_AT] for first, end in ranges
        )
        owners = chain.from_iterable(each.direct for each in self.shared)
        for node in map(int, chain(*by_size, owners)):
            name = self.name(node).name
            if name == text or name.startswith((f"{text} in ", f"{text} of thread ")):
                return node
        return None

    def row(self, node: int, within: str = "") -> RetainerRow:
        """Return the row of a node; the example is the first block below it, of those that retain
        most. `within` is the holder that it is a part of."""
        name, size = self.name(node), int(self.found.bytes[node])
        example = self._first_block(node)
        address = ABSENT if example is None else int(self.found.held.blocks.start[example])
        return RetainerRow(
            bytes=size,
            share=self.share(size),
            blocks=int(self.found.count[node]),
            kind=name.kind,
            holder=name.name,
            type=name.type or None,
            example=address,
            holders=[],
            within=within or ABSENT,
            owner=ABSENT,
        )

    def _first_block(self, node: int) -> int | None:
        while node >= self.found.blocks:
            below = self.found.children(node)
            if not len(below):
                return None
            node = int(below[0])
        return node

    def shared_row(self, group: SharedGroup, within: str = "") -> RetainerRow:
        """Return the row of what several holders share."""
        names = [self.name(each).name for each in group.holders]
        text = shared_name(self.target, self.found, group)
        example = int(group.nodes[0])
        start, what = int(self.found.held.blocks.start[example]), self.kinds.name(example)
        return RetainerRow(
            bytes=group.bytes,
            share=self.share(group.bytes),
            blocks=group.count,
            kind=SHARED,
            holder=text,
            type=what,
            example=start,
            holders=names,
            within=within or ABSENT,
            owner=owner_name(self.target, self.found, group) or None,
        )

    def top(self, most: int) -> list[RetainerRow]:
        """Return a row for each holder, its large members behind it, and for each set of holders that share something;
        at most so many of each."""
        found = self.found
        holders = found.children(found.root)
        holders = holders[(holders >= found.blocks) & (found.bytes[holders] > 0)]
        rows = [[self.row(node), *self._members(node)] for node in holders[:most].tolist()]
        rows += [[self.shared_row(group)] for group in self.shared[:most]]
        return [row for several in sorted(rows, key=lambda several: -several[0].bytes) for row in several]

    def _members(self, node: int, depth: int = 0) -> list[RetainerRow]:
        """Return the rows of a node's members that retain a good part of all, each with its own behind it."""
        opened = self.found.opened(node)
        if opened is None or depth > _DEEPEST or self.share(int(self.found.bytes[node])) < _LARGE:
            return []
        name = self.name(node).name
        rows = []
        below = self.found.children(opened)
        least = max(_LARGE * self.total, 1)
        for part in below[(below >= self.found.holders) & (self.found.bytes[below] >= least)].tolist():
            rows += [self.row(part, name), *self._members(part, depth + 1)]
        return rows

    def owned(self, node: int) -> list[SharedGroup]:
        """Return what a variable, or a member of one, holds that others lead to as well, and is likely the owner of."""
        found = self.found
        is_part = node >= found.holders
        whole = int(found.parts.owner[node - found.holders]) if is_part else node
        groups = self.shared if whole >= found.blocks else []
        return [each for each in groups if each.owner == whole and (not is_part or node in each.direct)]

    def below(self, node: int, most: int) -> list[RetainerRow]:
        """Return a row for each member of a node, for what they share, or else for each block right below it, and for
        what it owns but others lead to; at most so many."""
        from gdbheap.analysis.retained.shared import shared_groups  # kept out of gdb's start

        found, name = self.found, self.name(node).name
        opened = found.opened(node)
        children = found.children(node if opened is None else opened)
        shared = [self.shared_row(group, name) for group in self.owned(node)[:most]]
        if opened is None:
            return sorted([*(self.row(each, name) for each in children[:most].tolist()), *shared], key=_by_size)
        parts = children[(children >= found.holders) & (found.bytes[children] > 0)][:most].tolist()
        rows = [self.row(each, name) for each in parts]
        rows += [self.shared_row(group, name) for group in shared_groups(found, opened)[:most]]
        return sorted([*rows, *shared], key=_by_size)

    def below_by_type(self, node: int) -> list[RetainerRow]:
        """Return the same for people: of many blocks a row for each type."""
        found = self.found
        children = found.children(node)
        if found.opened(node) is not None or len(children) <= _FEW:
            return self.below(node, MOST_ROWS)
        _, which, counts = np.unique(self.kinds.code[children], return_inverse=True, return_counts=True)
        rows = [self.shared_row(group) for group in self.owned(node)]
        for index, count in enumerate(counts.tolist()):
            alike = children[which == index]
            row = self.row(int(alike[0]), self.name(node).name)
            size, blocks = int(found.bytes[alike].sum()), int(found.count[alike].sum())
            holder = row.holder if count == 1 else counted(count, "block")
            rows.append(replace(row, bytes=size, share=self.share(size), blocks=blocks, kind=BLOCK, holder=holder))
        return sorted(rows, key=_by_size)

    def by_type(self, node: int | None) -> list[KindRow]:
        """Return a row for each kind of block, of all or of those below a node."""
        from gdbheap.analysis.retained.by_kind import by_kind  # kept out of gdb's start

        blocks = self.found.held.blocks
        return [
            KindRow(
                each.retained,
                self.share(each.retained),
                each.count,
                each.bytes,
                self.kinds.name(each.example),
                int(blocks.start[each.example]),
            )
            for each in by_kind(self.found, self.kinds.code, node)
        ]

    def owner_paths(self) -> list[OwnerPath]:
        """Return the dominator tree as stacks."""
        from gdbheap.analysis.retained.owner_paths import owner_paths  # kept out of gdb's start

        def name(node: int) -> str:
            return self.kinds.name(node) if node < self.found.blocks else self.name(node).name

        def shared(group: SharedGroup) -> str:
            return f"{shared_name(self.target, self.found, group)} (shared)"

        return owner_paths(self.found, self.kinds.code, tuple(self.shared), name, shared)


def _by_size(row: RetainerRow) -> int:
    return -row.bytes
