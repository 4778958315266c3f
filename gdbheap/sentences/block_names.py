"""What answers call the blocks that they show: a type, and how far that name may be relied on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.types.short_names import short_name
from gdbheap.types.type_names import type_name

if TYPE_CHECKING:
    from gdbheap.analysis.pointers.blocks import Blocks
    from gdbheap.analysis.types.block_types import BlockTypes

# So many of the types that are as good are told.
_MOST_OTHERS = 2


class BlockNames:
    """Names for people, from what is known of the blocks' types."""

    def __init__(self, types: BlockTypes, blocks: Blocks) -> None:
        self.types = types
        self._blocks = blocks

    def at(self, address: int) -> str:
        """Return the name of the block that holds the address; "" where there is none, or it has none."""
        block = self._blocks.find(address)
        return "" if block is None else self.of(block)

    def of(self, block: int) -> str:
        """Return the block's name, with its confidence: "struct order", "likely Shape", "perhaps A or B", "what
        dictEntry.key points to"; "" where nothing is known."""
        from gdbheap.analysis.types.block_types import Confidence

        number = int(self.types.type[block])
        others = [
            type_name(self.types.catalogue, each) for each in self.types.alternatives.get(block, ()) if each != number
        ]
        name = self.types.name(block)
        if not name:
            role = self.types.role_name(block)
            return f"what {short_name(role)} points to" if role else ""
        return with_confidence(name, Confidence(int(self.types.confidence[block])).label, others)

    def member_at(self, address: int) -> str:
        """Return the member that lies at the address: "Shape::id"; "" where the block is not known, or it is its
        start."""
        block = self._blocks.find(address)
        if block is None:
            return ""
        member = self.types.member_at(block, address - int(self._blocks.start[block]))
        return "" if member == self.types.name(block) else short_name(member)


def with_confidence(name: str, confidence: str, others: list[str]) -> str:
    """Return a type's name as answers write it; `others` are the types that are as good."""
    short = short_name(name)
    if confidence == "possible" and others:
        shown = [short, *map(short_name, others[:_MOST_OTHERS])]
        more = f" (or {len(others) - _MOST_OTHERS:,} more)" if len(others) > _MOST_OTHERS else ""
        return f"perhaps {' or '.join(dict.fromkeys(shown))}{more}"
    return {"possible": f"perhaps {short}", "likely": f"likely {short}"}.get(confidence, short)
