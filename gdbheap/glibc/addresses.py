"""Addresses: many of them, as an array that reads like a tuple of ints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Addresses(Sequence[int]):
    """A sequence of addresses, eight bytes each: as ints a list of a million would take forty, and be slow to make.
    numpy takes `array` as it is."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, values: Iterable[int] | NDArray[np.uint64]) -> None:
        self.array = values if isinstance(values, np.ndarray) else np.array(tuple(values), np.uint64)

    def __len__(self) -> int:
        return len(self.array)

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Addresses: ...
    def __getitem__(self, index: int | slice) -> int | Addresses:
        return Addresses(self.array[index]) if isinstance(index, slice) else int(self.array[index])

    def __iter__(self) -> Iterator[int]:
        return iter(self.array.tolist())

    def __contains__(self, address: object) -> bool:
        return isinstance(address, int) and 0 <= address < 1 << 64 and bool((self.array == np.uint64(address)).any())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(other) == len(self) and list(other) == self.array.tolist()

    def __repr__(self) -> str:
        return f"Addresses({[hex(each) for each in self]})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        array = self.array if dtype is None else self.array.astype(dtype, copy=False)
        return array.copy() if copy else array
