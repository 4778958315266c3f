"""Units by .debug_aranges: as pyelftools reads it, and what is broken ends it."""

from __future__ import annotations

import random
from io import BytesIO
from types import SimpleNamespace

import pytest
from elftools.elf.elffile import ELFFile

from gdbheap.elf.unit_ranges import UnitRanges
from support.programs import build


def of_bytes(data: bytes) -> UnitRanges:
    return UnitRanges(SimpleNamespace(debug_aranges_sec=SimpleNamespace(stream=BytesIO(data), size=len(data))))


@pytest.mark.parametrize("flags", [(), ("-O2", "-gdwarf-4"), ("-static",)], ids=" ".join)
def test_units_are_pyelftools(flags):
    with build("unwound", *flags).open("rb") as file:
        dwarf = ELFFile(file).get_dwarf_info()
        theirs, mine = dwarf.get_aranges(), UnitRanges(dwarf)
        assert mine.units == {each.info_offset for each in theirs.entries if each.length}
        for each in theirs.entries:
            for address in (each.begin_addr, each.begin_addr + each.length // 2, each.begin_addr + each.length):
                assert mine.unit(address) == theirs.cu_offset_at_addr(address)


def test_no_table_tells_of_no_unit():
    assert UnitRanges(SimpleNamespace(debug_aranges_sec=None)).unit(0x1000) is None
    assert of_bytes(b"").unit(0) is None


def test_any_bytes_end():
    rng = random.Random(17)
    with build("unwound").open("rb") as file:
        section = ELFFile(file).get_dwarf_info().debug_aranges_sec
        section.stream.seek(0)
        whole = section.stream.read(section.size)
    for _ in range(2000):
        data = bytearray(whole if rng.random() < 0.7 else rng.randbytes(rng.randrange(80)))
        for _ in range(rng.randrange(1, 6)):
            if data:
                data[rng.randrange(len(data))] = rng.randrange(256)
        of_bytes(bytes(data)).unit(rng.randrange(1 << 64))
