"""What lies inside blocks that are no such object as a whole, by address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.lazy import dataclass, np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Addresses = NDArray[np.uint64]
    Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Inner:
    """Objects of these types begin at these addresses, which ascend, and end at `end`."""

    address: Addresses
    end: Addresses
    type: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.address)

    def at(self, places: Addresses) -> tuple[NDArray[np.int32], Numbers]:
        """Return the type of the object that each place lies in (-1: in none), and how far inside."""
        if not len(self):
            return np.full(len(places), -1, np.int32), np.zeros(len(places), np.int64)
        row = np.searchsorted(self.address, places, side="right") - 1
        inside = (row >= 0) & (places < self.end[row])
        types = np.where(inside, self.type[row], -1).astype(np.int32)
        return types, np.where(inside, places - self.address[row], 0).astype(np.int64)

    def with_more(self, address: Addresses, end: Addresses, types: NDArray[np.int32]) -> Inner:
        """Return these and others; of two at one address the first."""
        every = np.concatenate((self.address, address))
        address, first = np.unique(every, return_index=True)
        return Inner(
            address, np.concatenate((self.end, end))[first], np.concatenate((self.type, types))[first].astype(np.int32)
        )


def no_inner() -> Inner:
    """Return that nothing is known to lie inside blocks."""
    return Inner(np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0, np.int32))
