"""The rows of heap retained: what a node of the dominator tree is called, and what it retains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    from numpy.typing import NDArray

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
        """Return a row for each member of a node, for what they share, or else for each block right below it; and for
        what it owns but others lead to, with each block of that; at most so many."""
        return self._with_owned(node, self._below(node, most), lambda nodes, within: self._each(nodes[:most], within))

    def below_by_type(self, node: int) -> list[RetainerRow]:
        """Return the same for people: of many blocks a row for each type."""
        children = self.found.children(node)
        few = self.found.opened(node) is not None or len(children) <= _FEW
        rows = self._below(node, MOST_ROWS) if few else self._by_type(children, self.name(node).name)
        return self._with_owned(node, rows, self._by_type)

    def _below(self, node: int, most: int) -> list[RetainerRow]:
        from gdbheap.analysis.retained.shared import shared_groups  # kept out of gdb's start

        found, name = self.found, self.name(node).name
        opened = found.opened(node)
        children = found.children(node if opened is None else opened)
        if opened is None:
            return self._each(children[:most], name)
        parts = children[(children >= found.holders) & (found.bytes[children] > 0)]
        rows = self._each(parts[:most], name)
        return rows + [self.shared_row(group, name) for group in shared_groups(found, opened)[:most]]

    def _with_owned(
        self, node: int, rows: list[RetainerRow], opened: Callable[[NDArray[np.int32], str], list[RetainerRow]]
    ) -> list[RetainerRow]:
        """Return these rows, and those of what the node owns but others lead to, each with that `opened` behind it if
        it is much; what retains most first."""
        several = [[row] for row in rows]
        for group in self.owned(node):
            row = self.shared_row(group, self.name(node).name)
            is_much = self.share(group.bytes) >= _LARGE
            several.append([row, *(opened(group.nodes, row.holder) if is_much else ())])
        return [row for each in sorted(several, key=lambda each: -each[0].bytes) for row in each]

    def _each(self, nodes: NDArray[np.int32], within: str) -> list[RetainerRow]:
        return [self.row(each, within) for each in nodes.tolist()]

    def _by_type(self, blocks: NDArray[np.int32], within: str) -> list[RetainerRow]:
        """Return a row for each kind of these blocks, or for each block of few; what retains most first."""
        if len(blocks) <= _FEW:
            return self._each(blocks, within)
        found, rows = self.found, []
        codes = self.kinds.code[blocks]
        order = np.argsort(codes, kind="stable")
        begin = np.flatnonzero(np.diff(codes[order], prepend=-1))
        for alike in np.split(blocks[order], begin[1:]):
            row = self.row(int(alike[0]), within)
            size, count = int(found.bytes[alike].sum()), int(found.count[alike].sum())
            holder = row.holder if len(alike) == 1 else counted(len(alike), "block")
            rows.append(replace(row, bytes=size, share=self.share(size), blocks=count, kind=BLOCK, holder=holder))
        return sorted(rows, key=_by_size)

    def by_type(self, node: int | None) -> list[KindRow]:
        """Return a row for each kind of block, of all or of those below a node and of what it owns but others lead
        to."""
        from gdbheap.analysis.retained.by_kind import by_kind  # kept out of gdb's start

        blocks = self.found.held.blocks
        within = None if node is None else [node, *chain.from_iterable(each.nodes for each in self.owned(node))]
        return [
            KindRow(
                each.retained,
                self.share(each.retained),
                each.count,
                each.bytes,
                self.kinds.name(each.example),
                int(blocks.start[each.example]),
            )
            for each in by_kind(self.found, self.kinds.code, within)
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
