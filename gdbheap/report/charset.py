"""Text in the characters that a terminal's character set has: in a container without a locale that is ASCII alone."""

from __future__ import annotations

# What is drawn and written beyond ASCII, and what stands for it. (A sign and its space are two columns, as the pair
# is.)
_STAND_INS = (
    ("≥ ", ">="),
    ("≤ ", "<="),
    ("≥", ">="),
    ("≤", "<="),
    ("→", "->"),
    ("←", "<-"),
    ("↔", "<->"),
    ("↑", "^"),
    ("↓", "v"),
    ("…", "~"),
    ("·", "."),
    ("░", "."),
    ("█", "#"),
    ("▓", "="),
    ("▒", "-"),
    ("│", "|"),
    ("┊", ":"),
    ("┌", "+"),
    ("└", "+"),
    ("├", "+"),
    ("─", "-"),
    ("═", "="),
)


def in_charset(text: str, charset: str) -> str:
    """Return the text such that it can be encoded in this character set: signs that it lacks are drawn in ASCII,
    other characters escaped (\\xe9, \\u20ac). A set that Python does not know counts as ASCII."""
    if text.isascii():
        return text
    try:
        text.encode(charset)
        return text
    except UnicodeEncodeError:
        pass
    except LookupError:
        charset = "ascii"
    for sign, stand_in in _STAND_INS:
        if not _has(charset, sign):
            text = text.replace(sign, stand_in)
    return text.encode(charset, "backslashreplace").decode(charset)


def _has(charset: str, sign: str) -> bool:
    try:
        sign.encode(charset)
    except UnicodeEncodeError:
        return False
    return True
