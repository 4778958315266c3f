"""How cells look in text: their column's format applied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from gdbheap.report.printable import human_size, printable
from gdbheap.report.report import ABSENT

UNKNOWN = "?"

# Formats whose cells line up at the right.
RIGHT = frozenset({"address", "size", "bytes", "count", "number", "share"})


def cell_texts(format: str, cells: Iterable[Any]) -> list[str]:
    """Return cells of one format as text, safe to print; None is UNKNOWN, ABSENT is blank."""
    text, cells = _FORMATS[format], list(cells)
    if format in _OF_INTS and are_ints(cells):
        return list(map(_OF_INTS[format], cells))
    if text is _text and _are_printable(cells):
        return cells
    return [UNKNOWN if cell is None else "" if cell is ABSENT else text(cell) for cell in cells]


def are_ints(cells: Sequence[Any]) -> bool:
    """Whether all are ints, and nothing else that can be counted with."""
    return set(map(type, cells)) <= {int}


def _are_printable(cells: list[Any]) -> bool:
    """Whether all are texts that are shown as they are."""
    try:
        together = "".join(cells)
    except TypeError:
        return False
    return together.isascii() and together.isprintable()


def _size(value: Any) -> str:
    return f"{value[0]:#x}-{value[1]:#x}" if isinstance(value, tuple) else f"{value:#x}"


def _list(values: Any) -> str:
    return " ".join(f"{each:#x}" for each in values)


def _text(value: Any) -> str:
    return printable(str(value))


def _value(value: Any) -> str:
    return _text(value) if isinstance(value, str) else f"{value:,}"


def share_text(value: Any) -> str:
    """Return a share (0 to 1) in per cent; what is too little for a digit is not told as nothing."""
    percent = 100 * value
    return f"{percent:.1f} %" if percent >= 0.05 or not value else "<0.1 %"


# Formats of which the standard library makes an int's text as fast as can be.
_OF_INTS: dict[str, Callable[[int], str]] = {"address": hex, "size": hex, "number": str}
_FORMATS: dict[str, Callable[[Any], str]] = {
    "address": lambda value: f"{value:#x}",
    "size": _size,
    "bytes": human_size,
    "count": lambda value: f"{value:,}",
    "number": str,
    "share": share_text,
    "value": _value,
    "text": _text,
    "label": lambda value: _text(value).replace("_", " "),
    "strip": _text,
    "flag": lambda value: "yes" if value else "no",
    "list": _list,
    "facts": str,
    "texts": lambda values: "; ".join(map(_text, values)),
}
