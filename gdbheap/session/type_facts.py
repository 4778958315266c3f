"""What a block is, as facts about an address in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdbheap.analysis.addresses.address_fact import AddressFact

if TYPE_CHECKING:
    from gdbheap.sentences.block_names import BlockNames


def type_facts(names: BlockNames | None, mem: int, address: int) -> Iterator[AddressFact]:
    """Yield what the block at `mem` is, how that is known, and which member of it lies at the address; nothing where
    that is not known."""
    from gdbheap.sentences.type_reasons import chain_path, reason

    block = None if names is None else names.find(mem)
    name = "" if names is None or block is None else names.of(block)
    if names is None or block is None or not name:
        return
    kind, confidence = names.type_at(mem)
    role = names.types.role_name(block) or None
    facts = {"type": kind, "confidence": confidence, "role": role, "path": chain_path(names, block) or None}
    yield AddressFact("type", name, reason(names, block), facts)
    member = names.member_of(block, address - mem)
    if member and address > mem:
        yield AddressFact("member", member, "what lies at the address", {"member": member})
