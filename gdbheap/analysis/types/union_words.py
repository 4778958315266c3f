"""Which types the pointers in unions lead to, by their addresses: that says which of the union's members they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.lazy import dataclass, np
from gdbheap.types.catalogue import NONE

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class UnionWords:
    """The addresses of such words, which ascend, and the types."""

    place: NDArray[np.uint64]
    type: NDArray[np.int32]

    def type_at(self, address: int) -> int:
        """Return the type that the word at the address leads to, NONE where no union's pointer lies."""
        row = int(np.searchsorted(self.place, np.uint64(address)))
        return int(self.type[row]) if row < len(self.place) and int(self.place[row]) == address else NONE


def no_union_words() -> UnionWords:
    """Return that there is none."""
    return UnionWords(np.empty(0, np.uint64), np.empty(0, np.int32))
