"""Objects with vtables that lie behind something else in their blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.lazy import dataclass, np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Behind:
    """In each `block` an object of `type` (NONE: of one of several) begins at `start`, by its vtable pointer."""

    block: NDArray[np.int32]
    start: NDArray[np.int64]
    type: NDArray[np.int32]


def nothing_behind() -> Behind:
    """Return no rows."""
    return Behind(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int32))
