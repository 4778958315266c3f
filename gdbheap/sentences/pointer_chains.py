"""Pointer chains as people read them: " → 0x4010 <main_arena> → "text"."""

from __future__ import annotations

from gdbheap.analysis.addresses.pointer_chain import PointerChain
from gdbheap.report.printable import printable

_ARROW = " → "


def chain_text(chain: PointerChain) -> str:
    """Return what follows a word that is a pointer: its symbol, and arrows to what it leads to; "" for nothing."""
    (_, first), *rest = chain.links
    pieces = [f" <{first}>" if first is not None else ""]
    pieces += [f"{address:#x}" + (f" <{symbol}>" if symbol is not None else "") for address, symbol in rest]
    if chain.text:
        pieces.append(chain.text)
    elif chain.value is not None:
        pieces.append(f"{chain.value:#x}")
    elif chain.goes_on:
        pieces.append("…")
    return _joined(pieces)


def end_text(chain: PointerChain) -> str:
    """Return the same in short: the symbol that the word is in, or the text or symbol at the end of its way."""
    symbols = [symbol for _, symbol in (chain.links[0], chain.links[-1]) if symbol is not None]
    if symbols and (chain.links[0][1] is not None or not chain.text):
        return _joined(["", f"<{symbols[0]}>"])
    return _joined(["", chain.text]) if chain.text else ""


def _joined(pieces: list[str]) -> str:
    """Return the pieces with arrows between them, what is the target's own made safe."""
    return _ARROW.join(map(printable, pieces))
