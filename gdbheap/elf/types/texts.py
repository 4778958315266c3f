"""The texts that entries refer to, each decoded once."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from gdbheap.elf.types.forms import FormMeaning
from gdbheap.lazy import regex

if TYPE_CHECKING:
    from gdbheap.elf.types.abbreviations import Plan

# How C++ and gdb write, in the arguments of templates, what GNU compilers write in their own way.
_SPELLINGS = {
    "long long unsigned int": "unsigned long long",
    "long unsigned int": "unsigned long",
    "short unsigned int": "unsigned short",
    "long long int": "long long",
    "long int": "long",
    "short int": "short",
}
_SPELLING = regex(rf"\b({'|'.join(_SPELLINGS)})\b")
# Names of templates of templates are long; a text without an end is not looked for far.
_LONGEST = 1 << 16
_MOST_KNOWN = 32 << 20


class UnitTexts:
    """The texts of the units of one file. `other` is the .debug_str of the file that dwz has moved shared parts to, and
    `other_file` what is added to places in that file (0: it is not at hand)."""

    def __init__(
        self, texts: bytes, line_texts: bytes, numbers: bytes, other: bytes = b"", other_file: int = 0
    ) -> None:
        self._sections = {FormMeaning.TEXT: texts, FormMeaning.LINE_TEXT: line_texts, FormMeaning.OTHER_TEXT: other}
        self._numbers = numbers
        self._first = 0
        self._width = 4
        self._known: dict[tuple[FormMeaning, int], str] = {}
        self._size = 0
        self.other_file = other_file

    def start(self, width: int, split: bool = False) -> None:
        """A unit begins, whose offsets take `width` bytes. `split`: it is of a .dwo file, which has no entry that
        says where its part of .debug_str_offsets begins."""
        self._width = width
        self._first = 2 * width if split else 0

    def begin(self, plan: Plan, values: tuple[Any, ...]) -> None:
        """The unit's own entry is read."""
        first = values[plan.text_numbers]
        if first is not None:
            self._first = first

    def text(self, form: FormMeaning, value: Any) -> str:
        """Return a text; "" where it is not there."""
        if form == FormMeaning.INLINE_TEXT:
            return _spelled(value)
        if form == FormMeaning.TEXT_NUMBER:
            place = self._first + value * self._width
            if place + self._width > len(self._numbers):
                return ""
            (value,) = struct.unpack_from("<I" if self._width == 4 else "<Q", self._numbers, place)
            form = FormMeaning.TEXT
        known = self._known.get((form, value))
        if known is None:
            section = self._sections[form]
            end = section.find(b"\0", value, value + _LONGEST)
            known = _spelled(section[value:end]) if end >= 0 else ""
            self._size += len(known)
            if self._size > _MOST_KNOWN:  # texts within texts: no compiler's
                self._known.clear()
                self._size = 0
            self._known[form, value] = known
        return known


def _spelled(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")
    return respelled(text) if "<" in text else text


def respelled(name: str) -> str:
    """Return a name as C++ and gdb write it: "long" for a GNU compiler's "long int"."""
    return _SPELLING.sub(lambda match: _SPELLINGS[match[1]], name)
