"""Labels: what blocks are called that can be named without debug information."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.lazy import np
from gdbheap.types.confidence import Confidence

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

NO_LABEL = -1


class Labels:
    """Names for so many rows, filled by namers one after the other: the first name of a row stays.

    `label[row]` is the place in `names` (NO_LABEL: none), `confidence[row]` a Confidence.
    """

    def __init__(self, count: int) -> None:
        self.label = np.full(count, NO_LABEL, np.int32)
        self.confidence = np.zeros(count, np.uint8)
        self.names: list[str] = []
        self._places: dict[str, int] = {}

    def put(self, rows: ArrayLike, name: str, confidence: Confidence) -> None:
        """Call those of the rows so that have no name yet."""
        chosen: NDArray[np.intp] = np.asarray(rows, np.intp)
        free = chosen[self.label[chosen] == NO_LABEL]
        if len(free):
            self.label[free] = self.place(name)
            self.confidence[free] = confidence

    def place(self, name: str) -> int:
        """Return the name's place in `names`; it is added where it is new."""
        place = self._places.setdefault(name, len(self.names))
        if place == len(self.names):
            self.names.append(name)
        return place

    def fill(self, other: Labels) -> None:
        """Take the other's name where a row has none."""
        rows = np.flatnonzero((self.label == NO_LABEL) & (other.label != NO_LABEL))
        if len(rows):
            places = np.array([self.place(name) for name in other.names], np.int32)
            self.label[rows] = places[other.label[rows]]
            self.confidence[rows] = other.confidence[rows]

    def name(self, row: int) -> str:
        """Return the row's name, "" where it has none."""
        label = int(self.label[row])
        return "" if label == NO_LABEL else self.names[label]
