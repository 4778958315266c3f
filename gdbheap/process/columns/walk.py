"""Lists of many nodes, gone through node by node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.kernel.kernel import kernel
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Nodes = NDArray[np.int32]


def walk(following: Nodes, is_open: NDArray[np.bool_], starts: Nodes) -> tuple[Nodes, Nodes]:
    """Go from each start to the node `following` it (-1: none), as long as that is open, and close each, so that no
    other list has it too; return the nodes, and the one before each."""
    fast = kernel(len(following))
    if fast is not None:
        return fast.walk(following, is_open, np.ascontiguousarray(starts, np.int32))
    onward, left = following.data, is_open.data
    path, before = [], []
    for node in starts.tolist():
        while (after := onward[node]) >= 0 and left[after]:
            left[after] = False
            path.append(after)
            before.append(node)
            node = after
    return np.array(path, np.int32), np.array(before, np.int32)
