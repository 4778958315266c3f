"""Pointer chains as people read them: " → 0x4010 <main_arena> → "text"."""

from __future__ import annotations

from gdbheap.analysis.addresses.pointer_chain import PointerChain
from gdbheap.lazy import regex
from gdbheap.report.printable import printable

_ARROW = " → "
_LONG = 60
_OPENING, _CLOSING = ("<", "("), (">", ")")
# (An operator's own name, "operator->", has none that open or close.)
_BRACKETS = regex(r"operator(?:\(\)|[<>=!-]+)|\(anonymous namespace\)|\(\)|[<(>)]|(?:(?!operator[(<>=!-])[^<(>)])+")


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
    """Return the same in short: the symbol that the word is in, the class of the object that it leads to, or the text
    or symbol at the end of its way. Of a long name only what tells it from others."""
    (_, first), *rest = chain.links
    classes = [symbol.class_name for _, symbol in rest if symbol is not None and symbol.class_name]
    if first is None and classes:
        return _joined(["", shortened(classes[0])])
    symbols = [symbol for symbol in (first, chain.links[-1][1]) if symbol is not None]
    if symbols and (first is not None or not chain.text):
        return _joined(["", f"<{shortened(str(symbols[0]))}>"])
    return _joined(["", chain.text]) if chain.text else ""


def shortened(name: str) -> str:
    """Return a name of C++; of a long one, arguments of templates and functions as "<…>" and "(…)"."""
    if len(name) <= _LONG:
        return name
    kept, depth = [], 0
    for piece in _BRACKETS.findall(name):
        if piece in _CLOSING:
            if not depth:
                return name
            depth -= 1
            kept += [f"…{piece}"] if depth == 0 else []
        elif piece in _OPENING:
            depth += 1
            kept += [piece] if depth == 1 else []
        elif not depth:
            kept.append(piece)
    return "".join(kept) if depth == 0 else name


def _joined(pieces: list[str]) -> str:
    """Return the pieces with arrows between them, what is the target's own made safe."""
    return _ARROW.join(map(printable, pieces))
