"""Where a word leads: from pointer to pointer, to a text, a symbol or a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gdbheap.analysis.addresses.preview import leading_text
from gdbheap.errors import MemoryFault
from gdbheap.lazy import dataclass
from gdbheap.process.address import Address
from gdbheap.process.named_address import NamedAddress
from gdbheap.process.process import Process
from gdbheap.process.symbols import SymbolAt

_MOST_LINKS = 4
_TEXT_BYTES = 40


@dataclass(frozen=True)
class PointerChain:
    """`links` are the addresses on the way, the first of them the word itself, each with its symbol; the last holds
    `text`, or else `value` (both unset: it is code, or unreadable). `goes_on`: it would lead further, or in a
    circle."""

    links: tuple[tuple[int, NamedAddress | None], ...]
    text: str = ""
    value: int | None = None
    goes_on: bool = False

    def facts(self) -> Mapping[str, Any]:
        """Return the same as a program needs it."""
        return {
            "links": [
                {"address": Address(address), "symbol": None if symbol is None else str(symbol)}
                for address, symbol in self.links
            ],
            "text": self.text or None,
            "value": None if self.value is None else Address(self.value),
            "goes_on": self.goes_on,
        }


def pointer_chain(process: Process, word: int, symbol_at: SymbolAt) -> PointerChain | None:
    """Return where the word leads; None where it is the address of nothing that can be read."""
    links: list[tuple[int, NamedAddress | None]] = []
    address = word
    while True:
        vma = process.address_space.find(address)
        if vma is None or not vma.readable:
            return PointerChain(tuple(links), value=address) if links else None
        if any(address == each for each, _ in links) or len(links) == _MOST_LINKS:
            return PointerChain(tuple(links), goes_on=True)
        links.append((address, symbol_at(address)))
        if vma.executable:
            return PointerChain(tuple(links))
        try:
            data = process.memory.read(address, min(_TEXT_BYTES, vma.end - address))
        except MemoryFault:
            return PointerChain(tuple(links)) if len(links) > 1 else None
        size = process.pointer_size
        following = int.from_bytes(data[:size], "little")
        text = leading_text(data)
        if text and process.address_space.find(following) is None:
            return PointerChain(tuple(links), text)
        if address % size or len(data) < size:
            return PointerChain(tuple(links))
        address = following
