"""The names of many blocks at once: what is called alike is said once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gdbheap.lazy import np
from gdbheap.sentences.block_names import BlockNames
from gdbheap.types.confidence import Confidence

if TYPE_CHECKING:
    from numpy.typing import NDArray


class SaidName(NamedTuple):
    """What people read, and, as JSON has them, the type and how sure it is (None: not known)."""

    text: str
    type: str | None
    confidence: str | None


NO_NAME = SaidName("", None, None)


class NamesOfMany:
    """Names of blocks by their addresses. It remembers what it has said."""

    def __init__(self, names: BlockNames) -> None:
        self._names = names
        self._said: dict[tuple[int, ...], SaidName] = {}

    def at(self, addresses: NDArray[np.uint64]) -> list[SaidName]:
        """Return the name of the block that holds each address."""
        types, blocks = self._names.types, self._names.holding(addresses)
        if not len(types):
            return [NO_NAME] * len(addresses)
        known, alternatives = np.maximum(blocks, 0), types.alternatives
        columns = (
            each[known].tolist() for each in (types.type, types.count, types.part, types.how, types.label, types.role)
        )
        found = []
        for block, *alike in zip(blocks.tolist(), types.confidence[known].tolist(), *columns):
            key = (*alike, block) if block in alternatives else tuple(alike)
            name = NO_NAME if block < 0 else self._said.get(key)
            if name is None:
                name = self._said[key] = self._of(block)
            found.append(name)
        return found

    def _of(self, block: int) -> SaidName:
        types, text = self._names.types, self._names.of(block)
        name = types.name(block)
        return SaidName(text, *((name, Confidence(int(types.confidence[block])).label) if name else (None, None)))
