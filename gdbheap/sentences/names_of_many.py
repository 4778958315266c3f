"""The names of many blocks at once: what is called alike is said once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

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
        blocks = self._names.holding(addresses)
        if not len(self._names.types):
            return [NO_NAME] * len(addresses)
        keys = self._keys(blocks)
        found = list(map(self._said.get, keys))
        if None in found:
            for key, block in {
                key: block for key, block in zip(keys, blocks.tolist()) if key not in self._said
            }.items():
                self._said[key] = self._of(block) if block >= 0 else NO_NAME
        return list(map(self._said.__getitem__, keys))

    def _keys(self, blocks: NDArray[np.intp]) -> list[tuple[int, ...]]:
        """Return for each block what is the same for those that are called alike."""
        types, known = self._names.types, np.maximum(blocks, 0)
        told = (types.type, types.count, types.part, types.how, types.label, types.role)
        # (Those that have alternatives are called alike with nobody.)
        alone = np.isin(blocks, np.fromiter(types.alternatives, np.int64, len(types.alternatives))) | (blocks < 0)
        columns: list[NDArray[Any]] = [each[known] for each in told]
        columns += [types.confidence[known], np.where(alone, blocks, -1), blocks < 0]
        keys = np.empty(len(blocks), [(f"f{number}", each.dtype) for number, each in enumerate(columns)])
        for number, each in enumerate(columns):
            keys[f"f{number}"] = each
        found: list[tuple[int, ...]] = keys.tolist()
        return found

    def _of(self, block: int) -> SaidName:
        types, text = self._names.types, self._names.of(block)
        name = types.name(block)
        return SaidName(text, *((name, Confidence(int(types.confidence[block])).label) if name else (None, None)))
