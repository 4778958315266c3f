"""Arrays as the compiled loops take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

# NPY_ARRAY_C_CONTIGUOUS and NPY_ARRAY_ALIGNED.
_PLAIN = 0x101


def suits(*arrays: NDArray[Any]) -> bool:
    """Whether arrays are such as the kernel takes: without gaps, each number where numbers of its size may lie."""
    return not any(each.flags.num & _PLAIN != _PLAIN for each in arrays)


def pointer(array: NDArray[Any]) -> int:
    """Return where an array's numbers lie."""
    assert array.flags.num & _PLAIN == _PLAIN
    address: int = array.__array_interface__["data"][0]
    return address
