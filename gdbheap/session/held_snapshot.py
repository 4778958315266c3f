"""A snapshot that tells what each block is by type, and which variable or member holds it."""

from __future__ import annotations

from gdbheap.analysis.retained.nearest import LOST, Nearest, nearest_holders
from gdbheap.analysis.snapshots.snapshot import Snapshot, heap_facts, text_heads
from gdbheap.lazy import np
from gdbheap.session.block_kinds import block_kinds
from gdbheap.session.pointer_graph import pointer_graph
from gdbheap.session.retained import holder_name, owner_name, retained, shared_name
from gdbheap.session.target import Target

# So many holders are named, those that retain most; each name may take gdb a millisecond.
_MOST_NAMED = 2_000
_OTHERS = "other holders"


def held_snapshot(target: Target, started: float) -> Snapshot:
    """Return the snapshot; `started` is the time.monotonic() since which the process has had to stand still for it."""
    held = pointer_graph(target)
    kinds, found = block_kinds(target), retained(target)
    nearest = nearest_holders(found)
    _, first, kind = np.unique(kinds.code, return_index=True, return_inverse=True)
    names = [kinds.name(block) for block in first.tolist()]
    unique = {name: number for number, name in enumerate(dict.fromkeys(names))}
    number = np.array([unique[name] for name in names], np.int32)
    nodes, holder = np.unique(nearest.node, return_inverse=True)
    largest = set(nodes[np.argsort(-nearest.weight(nodes), kind="stable")][:_MOST_NAMED].tolist())
    holders = [named_holder(target, nearest, node) if node in largest else _OTHERS for node in nodes.tolist()]
    return Snapshot(
        heap_facts(target.process, target.heap(), held.blocks, started),
        tuple(unique),
        held.blocks.start,
        held.blocks.size,
        number[kind.reshape(-1)],
        holder.reshape(-1).astype(np.int32),
        tuple(holders),
        text_heads(held.graph.head),
    )


def named_holder(target: Target, nearest: Nearest, node: int) -> str:
    """Return what a holder is called; "" for what nothing leads to."""
    if node == LOST:
        return ""
    if node >= 0:
        return holder_name(target, nearest.retained, node).name
    group = nearest.shared[-2 - node]
    # (Who else leads there may be others each time.)
    return owner_name(target, nearest.retained, group) or shared_name(target, nearest.retained, group)
