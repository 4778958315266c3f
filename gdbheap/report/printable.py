"""Text that may come from the target, made safe to print; and how wide it is on a terminal."""

from __future__ import annotations

import unicodedata

# Controls, formats (bidi overrides among them), surrogates (bytes that are no UTF-8), private and unassigned
# characters, line separators.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# How much of a line is shown before, at and behind the place that is pointed at, in columns.
_POINTED = 30
_NAMED = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}


def printable(text: str) -> str:
    """Return the text with every character that could move the cursor, change colours or reorder the line escaped
    (\\x1b, \\u202e).

    A byte that was no UTF-8 (kept by surrogateescape) comes out as \\xNN.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_escape, text))


def display_width(text: str) -> int:
    """Return the columns that the (printable) text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def cut_middle(text: str, width: int) -> str:
    """Return the text within `width` columns, its middle replaced by "…" where it is longer: both ends of a path
    tell most."""
    if display_width(text) <= width or width < 3:
        return text
    tail = _fitting(text[::-1], (width - 1) * 2 // 3)[::-1]
    return _fitting(text, width - 1 - display_width(tail)) + "…" + tail


def cut_path(text: str, width: int) -> str:
    """Return the path within `width` columns: its directories go first, the outermost first of all."""
    if display_width(text) <= width:
        return text
    place = text.find("/", 1)
    while 0 <= place < len(text) - 1:
        if display_width(text[place:]) < width:
            return "…" + text[place:]
        place = text.find("/", place + 1)
    return cut_middle(text, width)


def cut_end(text: str, width: int) -> str:
    """Return the text within `width` columns, its end replaced by "…" where it is longer."""
    return text if display_width(text) <= width or width < 3 else _fitting(text, width - 1) + "…"


def pointed_at(line: str, start: int, end: int) -> str:
    """Return what shows line[start:end] in its line: the line, printable and cut around the place where it is long,
    and a line of marks below."""
    before, marked, behind = printable(line[:start]), printable(line[start:end]), printable(line[end:])
    if display_width(before) > _POINTED:
        before = "…" + _fitting(before[::-1], _POINTED - 1)[::-1]
    marked = cut_end(marked, _POINTED)
    marks = "^" + "~" * (display_width(marked) - 1)
    return f"  {before}{marked}{cut_end(behind, _POINTED)}\n  {' ' * display_width(before)}{marks}"


def human_size(size: int) -> str:
    """Return the bytes as people say them: "656 B", "132 KiB", "1.2 MiB". At most three digits, rounded to nearest."""
    value, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB"):
        if abs(value) < 999.5 or (unit == "B" and abs(value) < 1024):
            break
        value, unit = value / 1024, larger
    digits = f"{value:.1f}" if abs(value) < 9.95 and unit != "B" else f"{value:.0f}"
    return f"{digits[:-2] if digits.endswith('.0') else digits} {unit}"


def _escape(char: str) -> str:
    if unicodedata.category(char) not in _UNSAFE:
        return char
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    if char in _NAMED:
        return _NAMED[char]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _columns(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _fitting(text: str, width: int) -> str:
    used = 0
    for index, char in enumerate(text):
        used += _columns(char)
        if used > width:
            return text[:index]
    return text
