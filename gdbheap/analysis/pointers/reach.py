"""Reachability over a graph of millions of blocks: wide fronts in numpy, narrow ones (a long list) in a plain loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.adjacency import MORE, NONE, Adjacency
from gdbheap.analysis.pointers.chains import shortened
from gdbheap.kernel.arrays import suits
from gdbheap.kernel.kernel import kernel
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Indices = NDArray[np.int32] | NDArray[np.intp]

UNSEEN = -1
# A numpy step costs about what this many nodes cost in the plain loop.
_WIDE = 256
# After so many nodes one by one, and a sixteenth of all, the chains that are left are made short; where there are none,
# a table is made with all that a node needs side by side: in a list that is scattered over memory, each array that is
# looked into is a miss of the cache.
_LONG = 1 << 14
# Cycles are first tried one by one, for this many; if each held fewer nodes than _LARGE, all are then tried at once.
_TRIALS = 256
_LARGE = 64
_BATCH = 64
_MOST_ROUNDS = 16


def spread(graph: Adjacency, front: Indices, owner: NDArray[np.int32]) -> None:
    """Give every UNSEEN node that can be reached from `front` an owner: that of the node it was first reached from.

    The nodes of `front` have theirs already. Nodes with an owner are not entered.
    """
    while len(front):
        if len(front) > _WIDE:
            front = _wide_step(graph, front, owner)
            continue
        front, is_long = _narrow(graph, front, owner)
        if is_long and len(front):
            shorter = shortened(graph, front, owner == UNSEEN)
            if shorter is None:
                front = _narrow_and_long(graph, front, owner)
            else:
                within, start = shorter
                _spread_on(within, front, owner)
                owner[:] = owner[start]
                return


def _spread_on(graph: Adjacency, front: Indices, owner: NDArray[np.int32]) -> None:
    """Do as spread(), in a graph without long chains."""
    while len(front):
        front = _wide_step(graph, front, owner) if len(front) > _WIDE else _narrow_and_long(graph, front, owner)


def _wide_step(graph: Adjacency, front: Indices, owner: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the next front: the unseen targets of this one, each once."""
    # Most blocks of most heaps point nowhere.
    front = front[graph.leads[front]]
    begin = graph.begin[front]
    count = graph.begin[np.asarray(front, np.int64) + 1] - begin
    before = np.cumsum(count) - count
    place = np.repeat(begin - before, count) + np.arange(int(count.sum()), dtype=np.int64)
    target = graph.target[place]
    heir = np.repeat(owner[front], count)
    fresh = owner[target] == UNSEEN
    target, heir = target[fresh], heir[fresh]
    # Of the edges that lead to one target the last written stays: it is the one that counts.
    turn = np.arange(len(target), dtype=np.int32)
    owner[target] = turn
    chosen = owner[target] == turn
    reached: NDArray[np.int32] = target[chosen]
    owner[reached] = heir[chosen]
    return reached


def _narrow(graph: Adjacency, front: Indices, owners: NDArray[np.int32]) -> tuple[NDArray[np.int32], bool]:
    """Go on node by node until all is reached, or the front is wide again, or it has been _LONG; return that front,
    and if it has been (to the kernel no list is long)."""
    fast = kernel(graph.count)
    if fast is not None and suits(graph.begin, graph.target, owners):
        return fast.narrow((graph.begin, graph.target), front, owners, 2 * _WIDE), False
    long = max(_LONG, graph.count >> 4)
    begin, targets, owner = graph.begin.data, graph.target.data, owners.data
    queue: list[int] = front.tolist()
    walked = 0
    # The list grows while it is gone through.
    for done, node in enumerate(queue, 1):
        at, end, mine = begin[node], begin[node + 1], owner[node]
        while end - at == 1:
            only = targets[at]
            if owner[only] != UNSEEN:
                at = end
                break
            owner[only] = mine
            at, end = begin[only], begin[only + 1]
            walked += 1
            if walked > long:
                return np.array([only, *queue[done:]], np.int32), True
        for place in range(at, end):
            target = targets[place]
            if owner[target] == UNSEEN:
                owner[target] = mine
                queue.append(target)
        if len(queue) - done > 2 * _WIDE:
            return np.array(queue[done:], np.int32), False
        if done > long:
            return np.array(queue[done:], np.int32), True
    return np.empty(0, np.int32), False


def _narrow_and_long(graph: Adjacency, front: Indices, owners: NDArray[np.int32]) -> NDArray[np.int32]:
    """Go on as _narrow() to the end or to a wide front, with a table that holds what is known of a node in one
    place."""
    queue: list[int] = front.tolist()
    table = graph.rows(owners)
    row = table.reshape(-1).data
    begin, targets = graph.begin.data, graph.target.data
    wide = np.empty(0, np.int32)
    for done, node in enumerate(queue, 1):
        at = 4 * node
        mine = row[at + 2]
        # From node to node; where two are new, the second waits in the queue.
        while True:
            first, second = row[at], row[at + 1]
            if second == MORE:
                for place in range(begin[at >> 2], begin[(at >> 2) + 1]):
                    target = targets[place]
                    if row[4 * target + 2] == UNSEEN:
                        row[4 * target + 2] = mine
                        queue.append(target)
                break
            at = -1
            if first != NONE and row[4 * first + 2] == UNSEEN:
                at = 4 * first
                row[at + 2] = mine
            if second != NONE and row[4 * second + 2] == UNSEEN:
                row[4 * second + 2] = mine
                if at < 0:
                    at = 4 * second
                else:
                    queue.append(second)
            if at < 0:
                break
        if len(queue) - done > 2 * _WIDE:
            wide = np.array(queue[done:], np.int32)
            break
    owners[:] = table[:, 2]
    return wide


def find_heads(graph: Adjacency, source: Indices, target: Indices, owner: NDArray[np.int32]) -> None:
    """Give every UNSEEN node an owner: a head, from which it is reached and which no other head reaches; a head owns
    itself.

    Heads are the nodes that nothing points to, and of each cycle (strongly connected component) that nothing outside
    points to the node of the lowest index. `source` and `target` are the graph's edges among UNSEEN nodes. Owners of
    other nodes must be >= `graph.count`.
    """
    proper = source != target
    source, target = source[proper], target[proper]
    pointed_to = np.zeros(graph.count, np.bool_)
    pointed_to[target] = True
    first = np.flatnonzero((owner == UNSEEN) & ~pointed_to).astype(np.int32)
    owner[first] = first
    spread(graph, first, owner)
    rest = np.flatnonzero(owner == UNSEEN).astype(np.int32)
    if len(rest):
        _lead_cycles(graph, rest, source, target, owner)
        cyclic = np.zeros(graph.count, np.bool_)
        cyclic[rest] = True
        among = cyclic[source] & cyclic[target]
        _absorb(graph.count, source[among], target[among], owner)


def _lead_cycles(
    graph: Adjacency, rest: NDArray[np.int32], source: Indices, target: Indices, owner: NDArray[np.int32]
) -> None:
    """Make the lowest unseen node a leader of all that it reaches, and so on; many small cycles go side by side."""
    for _ in range(_MOST_ROUNDS):
        before = len(rest)
        led = _lead_one_by_one(graph, rest, owner, _TRIALS)
        rest = rest[owner[rest] == UNSEEN]
        if not len(rest):
            return
        if before - len(rest) < led * _LARGE:
            among = (owner[source] == UNSEEN) & (owner[target] == UNSEEN)
            leaders = _lowest_of_components(rest, source[among], target[among])
            owner[leaders] = leaders
            spread(graph, leaders, owner)
            rest = rest[owner[rest] == UNSEEN]
    _lead_one_by_one(graph, rest, owner, len(rest))


def _lead_one_by_one(graph: Adjacency, rest: NDArray[np.int32], owner: NDArray[np.int32], most: int) -> int:
    """Lead from at most `most` of the nodes, and the few more of a batch; return from how many."""
    led = 0
    for start in range(0, len(rest), _BATCH):
        batch = rest[start : start + _BATCH]
        for node in batch[owner[batch] == UNSEEN]:
            if owner[node] == UNSEEN:
                led += 1
                owner[node] = node
                spread(graph, np.array([node], np.int32), owner)
        if led >= most:
            break
    return led


def _lowest_of_components(nodes: NDArray[np.int32], source: Indices, target: Indices) -> NDArray[np.int32]:
    """Return the lowest node of each connected component (edges taken both ways) of these nodes, which ascend."""
    here = np.searchsorted(nodes, source).astype(np.int32)
    there = np.searchsorted(nodes, target).astype(np.int32)
    label = np.arange(len(nodes), dtype=np.int32)
    while True:
        low = np.minimum(label[here], label[there])
        high = np.maximum(label[here], label[there])
        apart = low != high
        if not apart.any():
            break
        here, there = here[apart], there[apart]
        np.minimum.at(label, high[apart], low[apart])
        while True:
            jumped = label[label]
            if np.array_equal(jumped, label):
                break
            label = jumped
    return nodes[np.flatnonzero(label == np.arange(len(nodes), dtype=np.int32))]


def _absorb(count: int, source: Indices, target: Indices, owner: NDArray[np.int32]) -> None:
    """A leader that another leader reaches is no head: all that it owns goes to the other."""
    across = owner[source] != owner[target]
    if not across.any():
        return
    led = np.flatnonzero(across & _in_leaders_cycle(count, source, target, owner)[target])
    heir = np.arange(count, dtype=np.int32)
    heir[owner[target[led]]] = owner[source[led]]
    # Later leaders absorb earlier ones, never the other way round: the chains end.
    while True:
        final = heir[heir]
        if np.array_equal(final, heir):
            break
        heir = final
    owned = (owner >= 0) & (owner < count)
    owner[owned] = heir[owner[owned]]


def _in_leaders_cycle(count: int, source: Indices, target: Indices, owner: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return which nodes reach the node that owns them: whoever reaches one of them reaches the leader."""
    own = owner[source] == owner[target]
    backward = Adjacency.unsorted(count, target[own], source[own])
    reached = np.full(count, UNSEEN, np.int32)
    leaders = distinct(owner[target])
    reached[leaders] = leaders
    spread(backward, leaders, reached)
    cyclic: NDArray[np.bool_] = reached != UNSEEN
    return cyclic
