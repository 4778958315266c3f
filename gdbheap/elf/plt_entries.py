"""The stubs by which code of a module calls functions of others (its PLT): each jumps to where a slot leads, and the
slot's relocation names the function. No symbol table has them."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping, Sequence

from gdbheap.elf.section_table import SectionPlace, section_places
from gdbheap.files import open_regular
from gdbheap.lazy import dataclass
from gdbheap.machine.code import MachineCode

_STUBS = (".plt", ".plt.sec", ".plt.got")
_MOST = 64 << 20
_LONGEST_NAME = 1 << 12
# By the name's beginning: the entries' form (offset, info), how far up in info the symbol's number is, and the size of
# a symbol.
_RELOCATIONS = {".rela": (struct.Struct("<QQ8x"), 32, 24), ".rel": (struct.Struct("<II"), 8, 16)}
# Stubs begin at such addresses, and have so many bytes at most.
_STEP, _LONGEST_STUB = 8, 16


@dataclass(frozen=True)
class PltEntries:
    """The linked names of other modules' functions: by where the stub is that calls it, and by the slot that leads to
    it, as linked."""

    stubs: Mapping[int, str]
    slots: Mapping[int, str]


_NONE = PltEntries({}, {})


def plt_entries(path: str, machine: MachineCode) -> PltEntries:
    """Return those of a file; none where it cannot be read."""
    places = section_places(path)
    kind = next((each for each in _RELOCATIONS if f"{each}.plt" in places or f"{each}.dyn" in places), "")
    if not kind or ".dynsym" not in places or ".dynstr" not in places:
        return _NONE
    try:
        with open_regular(path) as file:
            held = {name: _contents(file.fileno(), place) for name, place in places.items() if name in _wanted(kind)}
    except (OSError, OverflowError):
        return _NONE
    names = dict(_slots(kind, held, _wanted(kind)[-2:]))
    got = next((places[each].address for each in (".got.plt", ".got") if each in places), 0)
    found = {}
    for section in filter(held.__contains__, _STUBS):
        code, start = held[section], places[section].address
        for at in range(0, len(code), _STEP):
            slot = machine.stub_slot(code[at : at + _LONGEST_STUB], start + at, got)
            if slot in names:
                found[start + at] = names[slot]
    return PltEntries(found, dict(_slots(kind, held, (f"{kind}.plt",))))


def _wanted(kind: str) -> tuple[str, ...]:
    return (*_STUBS, ".dynsym", ".dynstr", f"{kind}.plt", f"{kind}.dyn")


def _contents(descriptor: int, place: SectionPlace) -> bytes:
    return os.pread(descriptor, min(place.size, _MOST), place.offset) if place.is_there else b""


def _slots(kind: str, held: Mapping[str, bytes], sections: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield each slot's address, and whose it is, by these sections of relocations."""
    form, shift, symbol_size = _RELOCATIONS[kind]
    symbols, texts = held[".dynsym"], held[".dynstr"]
    tables = (held.get(each, b"") for each in sections)
    whole = b"".join(data[: len(data) // form.size * form.size] for data in tables)
    for offset, info in form.iter_unpack(whole):
        symbol = (info >> shift) * symbol_size
        if 0 < symbol <= len(symbols) - 4:
            start = int.from_bytes(symbols[symbol : symbol + 4], "little")
            end = texts.find(b"\0", start, start + _LONGEST_NAME)
            if end > start:
                yield offset, texts[start:end].decode("utf-8", "replace")
