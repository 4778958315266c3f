"""Which unit an address of code is in, by .debug_aranges (DWARF, section 6.1.2). pyelftools reads it, too, but takes
some 60 ms for a libc's."""

from __future__ import annotations

import bisect
import struct
from collections.abc import Iterator
from typing import Any

_MOST = 64 << 20
_MOST_RANGES = 1_000_000
_LONG = 0xFFFFFFFF
# Version, offset of the unit, sizes of an address and of a segment's number.
_HEAD, _LONG_HEAD = struct.Struct("<HIBB"), struct.Struct("<HQBB")
_PAIRS = {4: struct.Struct("<II"), 8: struct.Struct("<QQ")}


class UnitRanges:
    """The ranges of code that .debug_aranges tells, and the offset of the unit of each; none where there is no table.
    What is broken in it, and what follows that, is left out."""

    def __init__(self, dwarf: Any) -> None:
        section = dwarf.debug_aranges_sec
        data = b""
        if section is not None:
            section.stream.seek(0)
            data = section.stream.read(min(section.size, _MOST))
        self._ranges = sorted(_ranges(data))
        self._starts = [each[0] for each in self._ranges]
        self.units = frozenset(unit for _, _, unit in self._ranges)

    def unit(self, address: int) -> int | None:
        """Return the offset of the unit that the address is in; None where the table does not tell."""
        place = bisect.bisect_right(self._starts, address) - 1
        if place < 0:
            return None
        start, size, unit = self._ranges[place]
        return unit if address < start + size else None


def _ranges(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (start, size, offset of the unit)."""
    at = count = 0
    while at + 4 <= len(data) and count < _MOST_RANGES:
        begin, head = at + 4, _HEAD
        length = int.from_bytes(data[at:begin], "little")
        if length == _LONG:
            begin, head = at + 12, _LONG_HEAD
            length = int.from_bytes(data[at + 4 : begin], "little")
        end = begin + length
        if end > len(data) or length < head.size:
            return
        _, unit, address_size, segment_size = head.unpack_from(data, begin)
        pair = _PAIRS.get(address_size)
        if pair is not None and not segment_size:
            # (The pairs begin at a multiple of their own size from where the table does.)
            first = at + -(-(begin + head.size - at) // pair.size) * pair.size
            pairs = data[first : first + max(0, end - first) // pair.size * pair.size]
            for start, size in pair.iter_unpack(pairs):
                if size:
                    count += 1
                    yield start, size, unit
        at = end
