"""A member that may tell which of several things a pointer leads to, and the words that were asked about before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.lazy import dataclass, np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Blocks = NDArray[np.int32]
    Words = NDArray[np.uint64]

# So many words are kept for the next time.
_MOST_KEPT = 1 << 10


@dataclass(frozen=True)
class Tag:
    """The bytes of a member: `width` of them at `offset` in a struct. `is_address`: it is a pointer, of which only one
    to code or a module's data tells a kind."""

    offset: int
    width: int
    is_address: bool = False


class Pool:
    """The words that were asked about one header or union before: what they lead to is known better by now."""

    def __init__(self) -> None:
        self._target = np.empty(0, np.int32)
        self._struct = np.empty(0, np.uint64)

    def with_earlier(self, target: Blocks, struct: Words) -> tuple[Blocks, Words]:
        """Return (some of) these, and of before; keep them for the next time."""
        step = -(-len(target) // _MOST_KEPT)
        target, struct = target[:: max(step, 1)], struct[:: max(step, 1)]
        new = ~np.isin(self._target, target)
        both = np.append(target, self._target[new]), np.append(struct, self._struct[new])
        step = max(-(-len(both[0]) // _MOST_KEPT), 1)
        self._target, self._struct = both[0][::step], both[1][::step]
        return self._target, self._struct
