"""The nodes of a list or tree in memory, from one of them on, and where it ends."""

from __future__ import annotations

from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.lazy import dataclass
from gdbheap.session.target import Target
from gdbheap.types.links import Link


@dataclass(frozen=True)
class Node:
    """A struct of the list or tree: where it lies, and the link (of node number `of`) that leads to it."""

    address: int
    of: int
    link: str


@dataclass(frozen=True)
class WalkEnd:
    """A link that leads to no further node, and why."""

    of: int
    link: str
    word: int | None
    why: str


class NodeWalk:
    """Nodes in the order of their distance from the first, each once; what ends there is kept."""

    def __init__(self, target: Target, view: HeapView, links: list[Link], most: int) -> None:
        self.nodes: list[Node] = []
        self.ends: list[WalkEnd] = []
        self.cut = False
        self._target = target
        self._view = view
        self._links = links
        self._most = most
        self._seen: dict[int, int] = {}

    def from_node(self, address: int) -> None:
        """Follow the links from this node on."""
        self._visit(address, 0, "")
        at = 0
        while at < len(self.nodes) and not self.cut:
            node = self.nodes[at]
            at += 1
            if at == 1 or _is_live(self._view, node.address):
                for link in self._links:
                    self._follow(at, node, link)

    def _visit(self, address: int, of: int, link: str) -> None:
        self.nodes.append(Node(address, of, link))
        self._seen[address] = len(self.nodes)

    def _follow(self, of: int, node: Node, link: Link) -> None:
        try:
            word = self._target.process.words.read(node.address + link.offset)
        except MemoryFault:
            self.ends.append(WalkEnd(of, link.name, None, "cannot be read"))
            return
        if not word:
            return
        address = word - link.inside
        if address in self._seen:
            self.ends.append(WalkEnd(of, link.name, word, f"node {self._seen[address]} again"))
        elif self._view.user_of(word) is None:
            self.ends.append(WalkEnd(of, link.name, word, self._outside(word)))
        elif not link.sure and not self._alike(node.address, address):
            # A first node that so leads on is no node, but has the list.
            if of > 1:
                self.ends.append(WalkEnd(of, link.name, word, "in a block of another kind"))
        elif len(self.nodes) >= self._most:
            self.cut = True
        else:
            self._visit(address, of, link.name)

    def _alike(self, one: int, other: int) -> bool:
        """Whether two addresses lie at the same place in chunks of the same size."""
        chunks = self._view.user_of(one), self._view.user_of(other)
        if chunks[0] is None or chunks[1] is None or chunks[0].size != chunks[1].size:
            return False
        return one - chunks[0].address == other - chunks[1].address

    def _outside(self, word: int) -> str:
        symbol = self._target.symbol_at(word)
        return f"{symbol}, which is no heap block" if symbol is not None else "not in the heap"


def _is_live(view: HeapView, address: int) -> bool:
    """Whether the address is in the user's part of a block in use."""
    chunk = view.user_of(address)
    return chunk is not None and chunk.state is State.IN_USE
