"""Claims: who says what of some blocks, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.lazy import dataclass, fields, np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Claims:
    """Each says that at offset `part` of `block` begins an object of `type` (`count` > 0: so many of them, one
    behind the other), with what `confidence` and `how` that is known; the word at `parent_place` in block `parent`
    (-1: a variable) says so (no word: -1 and 0). `whole`: the object is all that the block was made for; else there
    is at least that."""

    block: NDArray[np.int32]
    type: NDArray[np.int32]
    count: NDArray[np.int32]
    part: NDArray[np.uint32]
    confidence: NDArray[np.uint8]
    how: NDArray[np.uint8]
    parent: NDArray[np.int32]
    parent_place: NDArray[np.uint64]
    whole: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.block)

    def at(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Claims:
        """Return the chosen ones."""
        return Claims(*(getattr(self, each.name)[chosen] for each in fields(self)))


def claims(  # noqa: PLR0913 (each is a column of Claims)
    block: Sequence[int] | NDArray[np.intp] | NDArray[np.int32],
    types: Sequence[int] | NDArray[np.int32] | int,
    how: How,
    confidence: Confidence = Confidence.LIKELY,
    *,
    count: Sequence[int] | NDArray[np.int32] | int = 0,
    part: Sequence[int] | NDArray[np.uint32] | int = 0,
    parent: Sequence[int] | NDArray[np.int32] | int = -1,
    parent_place: Sequence[int] | NDArray[np.uint64] | int = 0,
    whole: bool = True,
) -> Claims:
    """Return claims of blocks; what is one number holds for all of them."""
    size = len(block)

    def column(values: object, kind: type[np.generic]) -> Any:
        if isinstance(values, (int, np.generic)):
            return np.full(size, values, kind)
        return np.array(np.broadcast_to(np.asarray(values).astype(kind), (size,)))

    return Claims(
        np.asarray(block, np.int32),
        column(types, np.int32),
        column(count, np.int32),
        column(part, np.uint32),
        column(int(confidence), np.uint8),
        column(int(how), np.uint8),
        column(parent, np.int32),
        column(parent_place, np.uint64),
        column(whole, np.bool_),
    )


def joined(pieces: Sequence[Claims]) -> Claims:
    """Return all claims as one."""
    # (Most find nothing, and are many.)
    pieces = [each for each in pieces if len(each)]
    if not pieces:
        return claims([], 0, How.UNKNOWN)
    if len(pieces) == 1:
        return pieces[0]
    return Claims(*(np.concatenate([getattr(each, field.name) for each in pieces]) for field in fields(Claims)))
