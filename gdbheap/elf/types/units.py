"""The units of a .debug_info or .debug_types section, by their headers."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from elftools.common.exceptions import DWARFError

from gdbheap.elf.types.abbreviations import Widths
from gdbheap.lazy import dataclass

# A section of 256 MiB has a hundred thousand.
_MOST_UNITS = 500_000
_SKELETON, _SPLIT_COMPILE = 4, 5
_TYPE, _SPLIT_TYPE = 2, 6


@dataclass(frozen=True)
class Unit:
    """A unit's header. `offset` is the header's in its section, the entries are in [first, end). `signature` is a type
    unit's name (None: it is none), of the type at `type_offset` in the unit; `id` ties a split unit to its file."""

    offset: int
    first: int
    end: int
    version: int
    abbreviations: int
    widths: Widths
    signature: int | None = None
    type_offset: int = 0
    id: int | None = None


def units_of(data: bytes, of_types: bool = False) -> Iterator[Unit]:
    """Yield the units of a section (`of_types`: .debug_types); DWARFError at the first that is broken."""
    offset = 0
    for _ in range(_MOST_UNITS):
        if offset >= len(data):
            return
        try:
            unit = _unit_at(data, offset, of_types)
        except struct.error:
            raise DWARFError("the last unit is cut off") from None
        if unit is not None:
            yield unit
            offset = unit.end
        else:  # padding
            offset += 4
    raise DWARFError("it has too many units")


def _unit_at(data: bytes, offset: int, of_types: bool) -> Unit | None:
    (length,) = struct.unpack_from("<I", data, offset)
    place, width = offset + 4, 4
    if length == 0:
        return None
    if length == 0xFFFFFFFF:
        (length,) = struct.unpack_from("<Q", data, place)
        place, width = place + 8, 8
    end = place + length
    if length > len(data) - place:
        raise DWARFError("a unit is longer than its section")
    (version,) = struct.unpack_from("<H", data, place)
    place += 2
    if not 2 <= version <= 5:
        raise DWARFError(f"it is of DWARF {version}")
    letter = "I" if width == 4 else "Q"
    kind = 0
    if version >= 5:
        kind, address, abbreviations = struct.unpack_from(f"<BB{letter}", data, place)
    else:
        abbreviations, address = struct.unpack_from(f"<{letter}B", data, place)
    place += 2 + width if version >= 5 else 1 + width
    if address not in (4, 8):
        raise DWARFError(f"its addresses take {address} bytes")
    name, type_offset, own = None, 0, None
    if of_types or kind in (_TYPE, _SPLIT_TYPE):
        name, type_offset = struct.unpack_from(f"<Q{letter}", data, place)
        place += 8 + width
    elif kind in (_SKELETON, _SPLIT_COMPILE):
        (own,) = struct.unpack_from("<Q", data, place)
        place += 8
    return Unit(offset, place, end, version, abbreviations, Widths(address, width), name, type_offset, own)
