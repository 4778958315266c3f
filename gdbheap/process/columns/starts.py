"""Which of many starts lies at an address or last before it, for millions of addresses in no order: a table of where
to begin in place of a search, each step of which would miss the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.kernel.arrays import suits
from gdbheap.kernel.kernel import CompiledLoops, kernel
from gdbheap.kernel.tables import CompiledStarts, Regions
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Starts farther apart than this are in regions of their own: no table goes through what lies between.
_FAR = 1 << 16
# Of fewer the search itself is in the cache.
_FEW = 1 << 14
# So few addresses are not worth the table.
_FEW_ASKED = 1 << 10
# So many starts at most are passed over one by one; where more are left, they are searched for.
_STEPS = 16


class Starts:
    """Finds addresses among `starts`, which ascend."""

    def __init__(self, starts: NDArray[np.uint64]) -> None:
        self._starts = starts
        self._table: NDArray[np.int32] | None = None
        self._kernels: CompiledStarts | None = None

    def compiled(self) -> tuple[CompiledLoops, CompiledStarts] | None:
        """Return the kernel and the table as it is made for that; None where there is no kernel."""
        fast = kernel(len(self._starts))
        if fast is None or not 0 < len(self._starts) < 1 << 31 or not suits(self._starts):
            return None
        if self._kernels is None:
            self._kernels = fast.table(self._starts, *self._regions())
        return fast, self._kernels

    def _regions(self) -> tuple[Regions, int]:
        """Return where starts lie close together, and how many bits of an address are within a place of the table."""
        starts = self._starts
        first = np.concatenate(([0], np.flatnonzero(np.diff(starts) > np.uint64(_FAR)) + 1))
        last = np.concatenate((first[1:], [len(starts)])) - 1
        low = starts[first]
        length = starts[last] - low + np.uint64(1)
        # Some two places of the table for each start: few addresses have to be stepped on from there.
        shift = max(int(length.sum() // np.uint64(len(starts))).bit_length() - 2, 4)
        return Regions(low, first, length >> np.uint64(shift)), shift

    def _fill(self) -> NDArray[np.int32]:
        """Make the table: for each of its places the last start at or before where it begins."""
        starts = self._starts
        self._in, bits = self._regions()
        self._shift = np.uint64(bits)
        counts = np.diff(self._in.row, append=len(starts))
        region = np.repeat(np.arange(len(counts)), counts)
        bucket = ((starts - self._in.low[region]) >> self._shift).astype(np.int64)
        within = (starts - self._in.low[region]) & ((np.uint64(1) << self._shift) - np.uint64(1))
        # A start that lies where its place begins counts there already, each other from the next place on.
        from_place = self._in.first[region] + bucket + (within > 0)
        size = self._in.places
        return (np.cumsum(np.bincount(from_place, minlength=size + 1)[:size]) - 1).astype(np.int32)

    def before(self, addresses: NDArray[np.uint64]) -> NDArray[np.intp]:
        """Return the index of the last start at or before each address, -1 where there is none; `addresses` may have
        any shape, and the answer has the same."""
        if len(self._starts) < _FEW or addresses.size < _FEW_ASKED:
            return self._searched(addresses)
        compiled = self.compiled()
        if compiled is not None:
            fast, table = compiled
            return fast.before(table, np.ascontiguousarray(addresses).reshape(-1)).reshape(addresses.shape)
        return self._found(addresses.reshape(-1)).reshape(addresses.shape)

    def _found(self, addresses: NDArray[np.uint64]) -> NDArray[np.intp]:
        if self._table is None:
            self._table = self._fill()
        region = np.searchsorted(self._in.low, addresses, side="right") - 1
        known = np.maximum(region, 0)
        bucket = np.minimum((addresses - self._in.low[known]) >> self._shift, self._in.most[known])
        found: NDArray[np.intp] = self._table[self._in.first[known] + bucket.astype(np.int64)].astype(np.intp)
        found[region < 0] = -1
        rows = self._short_of(found, addresses, np.arange(len(addresses)))
        for _ in range(_STEPS):
            if not len(rows):
                return found
            found[rows] += 1
            rows = self._short_of(found, addresses, rows)
        found[rows] = self._searched(addresses[rows])
        return found

    def _searched(self, addresses: NDArray[np.uint64]) -> NDArray[np.intp]:
        found: NDArray[np.intp] = np.searchsorted(self._starts, addresses, side="right") - 1
        return found

    def _short_of(
        self, found: NDArray[np.intp], addresses: NDArray[np.uint64], rows: NDArray[np.intp]
    ) -> NDArray[np.intp]:
        """Return those of the rows whose next start is at or before the address as well."""
        last, here = len(self._starts) - 1, found[rows]
        goes_on = (self._starts[np.minimum(here + 1, last)] <= addresses[rows]) & (here < last)
        return rows[goes_on]
