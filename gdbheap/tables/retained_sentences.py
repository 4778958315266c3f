"""What heap retained says in sentences: who holds a large part of all, in which blocks, by way of what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdbheap.counted import counted
from gdbheap.lazy import np
from gdbheap.report.printable import human_size
from gdbheap.session.retained import other_names, owner_name, shared_name
from gdbheap.tables.retained_rows import RetainedRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.analysis.retained.by_kind import RetainedKind
    from gdbheap.analysis.retained.shared import SharedGroup

# As many suspects are told in a sentence, of those that retain at least so much of all.
_MOST_SUSPECTS = 3
_SUSPECT = 0.1
# What holds less than this part of the most is not named in its place.
_NEARLY = 4


class RetainedSentences:
    """One question's answer in words."""

    def __init__(self, rows: RetainedRows) -> None:
        self._rows = rows
        self._found, self._kinds = rows.found, rows.kinds

    def suspects(self) -> Iterator[str]:
        """Yield a sentence for each holder, and for what several share, that is a large part of all: for a holder's
        member where that has most of it."""
        found = self._found
        tops = found.children(found.root)
        holders = [(int(found.bytes[each]), each) for each in tops[tops >= found.blocks][:_MOST_SUSPECTS].tolist()]
        groups = [(each.bytes, each) for each in self._rows.shared[:_MOST_SUSPECTS]]
        for size, each in sorted([*holders, *groups], key=lambda pair: -pair[0])[:_MOST_SUSPECTS]:
            if self._rows.share(size) >= _SUSPECT:
                yield self._of_holder(each) if isinstance(each, int) else self.of_shared(each)

    def _of_holder(self, node: int) -> str:
        from gdbheap.analysis.retained.by_kind import gathering  # kept out of gdb's start

        path = gathering(self._found, self._kinds.code, node).path
        return self.of_node([each for each in path if each >= self._found.blocks or each == node][-1])

    def of_asked(self, node: int) -> Iterator[str]:
        """Yield what a node retains, and what it holds that others lead to as well, if that is much."""
        yield self.of_node(node)
        for group in self._rows.owned(node):
            if self._rows.share(group.bytes) >= _SUSPECT:
                yield self.of_shared(group)

    def of_node(self, node: int) -> str:
        """Return what a node retains, in which blocks, and by way of what."""
        name = self._rows.name(node)
        kind = name.type or name.kind.replace("_", " ")
        size, count = int(self._found.bytes[node]), int(self._found.count[node])
        return f"{name.name} ({kind}) retains {self._much(size, count)}{self._in_what(node)}"

    def of_shared(self, group: SharedGroup) -> str:
        """Return what several holders keep alive together."""
        from gdbheap.analysis.retained.hubs import find_hub  # kept out of gdb's start

        target, found = self._rows.target, self._found
        owner, others = owner_name(target, found, group), other_names(target, found, group)
        much = self._much(group.bytes, group.count)
        text = f"{owner} holds {much}, also reachable from {others}" if owner and others else ""
        text = text or f"{shared_name(target, found, group)} share {much}"
        if len(group.nodes) == 1:
            return text + self._in_what(int(group.nodes[0]))
        hub = find_hub(found, group.nodes)
        text += self._mostly(self._children(group.nodes if hub is None else hub.children))
        if hub is None:
            return text
        start = int(found.held.blocks.start[hub.block])
        return f"{text}, by way of the block at {start:#x} ({self._kinds.name(hub.block)})"

    def _much(self, size: int, count: int) -> str:
        share = self._rows.share(size)
        return f"{human_size(size)}, {share:.1%} of what is held, in {counted(count, 'block')}"

    def _in_what(self, node: int) -> str:
        """Return which blocks what the node retains is in, and by way of what."""
        from gdbheap.analysis.retained.by_kind import by_kind, gathering  # kept out of gdb's start

        found = self._found
        place = gathering(found, self._kinds.code, node)
        last = place.path[-1]
        text = self._mostly(by_kind(found, self._kinds.code, [last], place.is_list))
        if text and last != node and last < found.blocks and not place.is_list:
            start = int(found.held.blocks.start[last])
            text += f", by way of the block at {start:#x} ({self._kinds.name(last)})"
        return text

    def _children(self, nodes: NDArray[np.int32]) -> list[RetainedKind]:
        """Return these blocks by kind, each with all that it retains."""
        from gdbheap.analysis.retained.by_kind import RetainedKind  # kept out of gdb's start

        found = self._found
        codes, first, which = np.unique(self._kinds.code[nodes], return_index=True, return_inverse=True)
        sums = np.bincount(which, found.bytes[nodes]).astype(np.int64).tolist()
        own = np.bincount(which, found.held.blocks.size[nodes]).astype(np.int64).tolist()
        counts = np.bincount(which).tolist()
        rows = zip(codes.tolist(), counts, own, sums, nodes[first].tolist())
        return sorted((RetainedKind(*row) for row in rows), key=lambda row: -row.retained)

    def _mostly(self, rows: list[RetainedKind]) -> str:
        """Return ": 70,000 dictEntry", "" where nothing comes more than once."""
        chosen = self._most_telling([row for row in rows if row.count > 1])
        return "" if chosen is None else f": {chosen.count:,} {self._kinds.name(chosen.example)}"

    def _most_telling(self, rows: list[RetainedKind]) -> RetainedKind | None:
        """Return the row that says best what is held: a type that is not the C++ library's own before others, if it
        holds nearly as much; None for no rows."""
        for is_good in (self._kinds.is_own, self._kinds.is_named):
            for row in rows:
                if row.retained * _NEARLY >= rows[0].retained and is_good(row.example):
                    return row
        return rows[0] if rows else None
