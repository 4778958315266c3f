"""How DWARF writes the value of an attribute down: its size where that is always the same, else how to read it."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

from elftools.common.exceptions import DWARFError

# Reads a value at a place in a section: (value, the place behind it). IndexError beyond the section's end.
Reader = Callable[[bytes, int], "tuple[Any, int]"]


class FormMeaning(enum.IntEnum):
    """What the value of a form stands for."""

    OTHER = 0
    NUMBER = 1
    BLOCK = 2
    """An expression, or bytes."""
    FLAG = 3
    # Where a text is: in .debug_str, in .debug_line_str, in the entry itself, by number, in another file's .debug_str.
    TEXT = 4
    LINE_TEXT = 5
    INLINE_TEXT = 6
    TEXT_NUMBER = 7
    OTHER_TEXT = 8
    # What an entry is referred to by: its place in the unit, in the section, in another file's; a type unit's name.
    IN_UNIT = 9
    IN_SECTION = 10
    IN_OTHER_FILE = 11
    SIGNATURE = 12


TEXTS = (
    FormMeaning.TEXT,
    FormMeaning.LINE_TEXT,
    FormMeaning.INLINE_TEXT,
    FormMeaning.TEXT_NUMBER,
    FormMeaning.OTHER_TEXT,
)
REFERENCES = (FormMeaning.IN_UNIT, FormMeaning.IN_SECTION, FormMeaning.IN_OTHER_FILE, FormMeaning.SIGNATURE)


def uleb(data: bytes, place: int) -> tuple[int, int]:
    """Read an unsigned LEB128 number."""
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
        if shift > 70:
            raise DWARFError("a number has no end")


def sleb(data: bytes, place: int) -> tuple[int, int]:
    """Read a signed LEB128 number."""
    start = place
    value, place = uleb(data, place)
    bits = 7 * (place - start)
    return value - (1 << bits) if value >> (bits - 1) else value, place


def _inline(data: bytes, place: int) -> tuple[bytes, int]:
    end = data.find(b"\0", place)
    if end < 0:
        raise IndexError(place)
    return data[place:end], end + 1


def _three(data: bytes, place: int) -> tuple[int, int]:
    return int.from_bytes(data[place : place + 3], "little"), place + 3


def _block(size: int) -> Reader:
    """Return the reader of a block whose length takes `size` bytes (0: a LEB128 number)."""

    def read(data: bytes, place: int) -> tuple[bytes, int]:
        if size:
            length, place = int.from_bytes(data[place : place + size], "little"), place + size
        else:
            length, place = uleb(data, place)
        if place + length > len(data):
            raise IndexError(place)
        return data[place : place + length], place + length

    return read


# By DW_FORM: what it stands for, and struct's letter or the reader. "o" is an offset, "a" an address.
FORMS: dict[int, tuple[FormMeaning, str | Reader]] = {
    0x01: (FormMeaning.NUMBER, "a"),
    0x03: (FormMeaning.BLOCK, _block(2)),
    0x04: (FormMeaning.BLOCK, _block(4)),
    0x05: (FormMeaning.NUMBER, "H"),
    0x06: (FormMeaning.NUMBER, "I"),
    0x07: (FormMeaning.NUMBER, "Q"),
    0x08: (FormMeaning.INLINE_TEXT, _inline),
    0x09: (FormMeaning.BLOCK, _block(0)),
    0x0A: (FormMeaning.BLOCK, _block(1)),
    0x0B: (FormMeaning.NUMBER, "B"),
    0x0C: (FormMeaning.FLAG, "B"),
    0x0D: (FormMeaning.NUMBER, sleb),
    0x0E: (FormMeaning.TEXT, "o"),
    0x0F: (FormMeaning.NUMBER, uleb),
    0x10: (FormMeaning.IN_SECTION, "o"),
    0x11: (FormMeaning.IN_UNIT, "B"),
    0x12: (FormMeaning.IN_UNIT, "H"),
    0x13: (FormMeaning.IN_UNIT, "I"),
    0x14: (FormMeaning.IN_UNIT, "Q"),
    0x15: (FormMeaning.IN_UNIT, uleb),
    0x17: (FormMeaning.OTHER, "o"),  # DW_FORM_sec_offset
    0x18: (FormMeaning.BLOCK, _block(0)),  # DW_FORM_exprloc
    0x19: (FormMeaning.FLAG, ""),  # DW_FORM_flag_present
    0x1A: (FormMeaning.TEXT_NUMBER, uleb),
    0x1B: (FormMeaning.OTHER, uleb),  # DW_FORM_addrx
    0x1C: (FormMeaning.IN_OTHER_FILE, "I"),
    0x1D: (FormMeaning.OTHER_TEXT, "o"),
    0x1E: (FormMeaning.OTHER, "16s"),
    0x1F: (FormMeaning.LINE_TEXT, "o"),
    0x20: (FormMeaning.SIGNATURE, "Q"),
    0x21: (FormMeaning.NUMBER, ""),  # DW_FORM_implicit_const: the abbreviation has the number
    0x22: (FormMeaning.OTHER, uleb),
    0x23: (FormMeaning.OTHER, uleb),
    0x24: (FormMeaning.IN_OTHER_FILE, "Q"),
    0x25: (FormMeaning.TEXT_NUMBER, "B"),
    0x26: (FormMeaning.TEXT_NUMBER, "H"),
    0x27: (FormMeaning.TEXT_NUMBER, _three),
    0x28: (FormMeaning.TEXT_NUMBER, "I"),
    0x29: (FormMeaning.OTHER, "B"),
    0x2A: (FormMeaning.OTHER, "H"),
    0x2B: (FormMeaning.OTHER, _three),
    0x2C: (FormMeaning.OTHER, "I"),
    0x1F01: (FormMeaning.OTHER, uleb),  # DW_FORM_GNU_addr_index
    0x1F02: (FormMeaning.TEXT_NUMBER, uleb),  # DW_FORM_GNU_str_index
    0x1F20: (FormMeaning.IN_OTHER_FILE, "o"),  # DW_FORM_GNU_ref_alt
    0x1F21: (FormMeaning.OTHER_TEXT, "o"),  # DW_FORM_GNU_strp_alt
}
IMPLICIT = 0x21
PRESENT = 0x19
