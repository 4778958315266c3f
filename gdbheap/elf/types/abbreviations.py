"""Abbreviation tables, each abbreviation compiled into what reads an entry of it: one unpack for most of them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

from elftools.common.exceptions import DWARFError

from gdbheap.elf.types.forms import FORMS, IMPLICIT, PRESENT, REFERENCES, TEXTS, FormMeaning, Reader, sleb, uleb
from gdbheap.lazy import dataclass

_NUMBERS = (FormMeaning.NUMBER,)
_PLACES = (FormMeaning.NUMBER, FormMeaning.BLOCK)
# The attributes that are of use, by DW_AT: a slot's name, and what its value may stand for.
WANTED: dict[int, tuple[str, tuple[FormMeaning, ...]]] = {
    0x01: ("sibling", (FormMeaning.IN_UNIT,)),
    0x02: ("location", (FormMeaning.BLOCK,)),
    0x03: ("name", TEXTS),
    0x0B: ("size", _NUMBERS),
    0x0D: ("bits", _NUMBERS),
    0x13: ("language", _NUMBERS),
    0x1B: ("directory", TEXTS),
    0x2F: ("upper", _NUMBERS),
    0x31: ("origin", REFERENCES),
    0x37: ("count", _NUMBERS),
    0x38: ("place", _PLACES),
    0x3C: ("declared", (FormMeaning.FLAG,)),
    0x3E: ("encoding", _NUMBERS),
    0x47: ("origin", REFERENCES),
    0x49: ("type", REFERENCES),
    0x4C: ("virtual", _NUMBERS),
    0x69: ("origin", (FormMeaning.SIGNATURE,)),
    0x6B: ("first_bit", _NUMBERS),
    0x72: ("text_numbers", (FormMeaning.OTHER, FormMeaning.NUMBER)),
    0x73: ("addresses", (FormMeaning.OTHER, FormMeaning.NUMBER)),
    0x76: ("split", TEXTS),
    0x2130: ("split", TEXTS),
    0x2131: ("split_id", _NUMBERS),
    0x2133: ("addresses", (FormMeaning.OTHER, FormMeaning.NUMBER)),
}
SLOTS = tuple(dict.fromkeys(name for name, _ in WANTED.values()))
# Real tables have some hundred abbreviations of some ten attributes.
_MOST_ABBREVIATIONS = 20_000
_MOST_ATTRIBUTES = 100
_MOST_PLANS = 20_000
_MOST_TABLES = 1_000
_LETTERS = {2: "H", 4: "I", 8: "Q"}

Specs = tuple["tuple[int, int, int]", ...]


@dataclass(frozen=True)
class Widths:
    """How many bytes an address and an offset take in a unit."""

    address: int
    offset: int


class Plan:
    """How to read the entries of one abbreviation. `unpack(data, place)` gives the values of `size_of_entry` bytes at
    once; where it is None, `read(data, place)` gives them and the place behind. To both `constants` are to be added:
    the value of the attribute `name` is then at the index `plan.name`, which is None's for one that is not there.
    `forms` tells what the values stand for."""

    __slots__ = (*SLOTS, "children", "constants", "forms", "read", "size_of_entry", "tag", "unpack")

    sibling: int
    location: int
    name: int
    size: int
    bits: int
    language: int
    directory: int
    upper: int
    origin: int
    count: int
    place: int
    declared: int
    encoding: int
    type: int
    virtual: int
    first_bit: int
    text_numbers: int
    addresses: int
    split: int
    split_id: int
    unpack: Callable[[bytes, int], tuple[Any, ...]] | None
    read: Callable[[bytes, int], tuple[tuple[Any, ...], int]]
    size_of_entry: int

    def __init__(self, tag: int, children: bool, specs: Specs, widths: Widths) -> None:
        self.tag = tag
        self.children = children
        self.forms: dict[str, FormMeaning] = {}
        steps: list[tuple[str | Reader, bool]] = []
        values: list[str] = []
        constants: dict[str, Any] = {}
        for attribute, form, implicit in specs:
            kind, written = FORMS.get(form, (FormMeaning.OTHER, None))
            if written is None:
                raise DWARFError(f"it has values of a form that is not known ({form:#x})")
            name, accepted = WANTED.get(attribute, ("", ()))
            wanted = kind in accepted and name not in self.forms
            if wanted:
                self.forms[name] = kind
            if wanted and form in (IMPLICIT, PRESENT):
                constants[name] = implicit if form == IMPLICIT else True
            elif written != "":
                steps.append((written, wanted))
                values += [name] if wanted else []
        self._compile(steps, widths)
        self.constants = (None, *constants.values())
        for slot in SLOTS:
            setattr(self, slot, len(values))
        for index, slot in enumerate([*values, "", *constants]):
            if slot:
                setattr(self, slot, index)

    def _compile(self, steps: list[tuple[str | Reader, bool]], widths: Widths) -> None:
        runs = list(_runs(steps, widths))
        self.unpack = None
        self.size_of_entry = 0
        if all(isinstance(run, struct.Struct) for run, _ in runs):
            fixed = runs[0][0] if runs else struct.Struct("<")
            assert isinstance(fixed, struct.Struct)
            self.unpack, self.size_of_entry = fixed.unpack_from, fixed.size
        self.read = _reader_of(runs)


def _runs(steps: list[tuple[str | Reader, bool]], widths: Widths) -> Iterator[tuple[struct.Struct | Reader, bool]]:
    """Yield what reads the values: one Struct for those in a row whose sizes are known, else a reader, and whether
    its value is wanted."""
    letters = {"a": _LETTERS[widths.address], "o": _LETTERS[widths.offset], "": ""}
    text = ""
    for written, wanted in steps:
        if isinstance(written, str):
            letter = letters.get(written, written)
            text += letter if wanted else f"{struct.calcsize('<' + letter)}x"
            continue
        if text:
            yield struct.Struct("<" + text), True
            text = ""
        yield written, wanted
    if text:
        yield struct.Struct("<" + text), True


def _reader_of(
    runs: list[tuple[struct.Struct | Reader, bool]],
) -> Callable[[bytes, int], tuple[tuple[Any, ...], int]]:
    def read(data: bytes, place: int) -> tuple[tuple[Any, ...], int]:
        values: list[Any] = []
        for run, wanted in runs:
            if isinstance(run, struct.Struct):
                values += run.unpack_from(data, place)
                place += run.size
            else:
                value, place = run(data, place)
                if wanted:
                    values.append(value)
        return tuple(values), place

    return read


class Abbreviations:
    """The tables of a .debug_abbrev section, each read once; equal abbreviations share a plan."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._tables: dict[tuple[int, Widths], dict[int, Plan]] = {}
        self._plans: dict[tuple[int, bool, Specs, Widths], Plan] = {}

    def table(self, offset: int, widths: Widths) -> dict[int, Plan]:
        """Return the plans by code of the table at `offset`; DWARFError, IndexError where it is broken."""
        found = self._tables.get((offset, widths))
        if found is None:
            if len(self._tables) > _MOST_TABLES:
                self._tables.clear()
            found = self._tables[offset, widths] = self._read(offset, widths)
        return found

    def _read(self, place: int, widths: Widths) -> dict[int, Plan]:
        data = self._data
        table: dict[int, Plan] = {}
        while True:
            code, place = uleb(data, place)
            if code == 0:
                return table
            tag, place = uleb(data, place)
            children = data[place] != 0
            specs, place = _specs(data, place + 1)
            key = (tag, children, specs, widths)
            plan = self._plans.get(key)
            if plan is None:
                if len(self._plans) > _MOST_PLANS:
                    raise DWARFError("it has too many kinds of entries")
                plan = self._plans[key] = Plan(*key)
            table.setdefault(code, plan)
            if len(table) > _MOST_ABBREVIATIONS:
                raise DWARFError("a table of abbreviations has no end")


def _specs(data: bytes, place: int) -> tuple[Specs, int]:
    specs: list[tuple[int, int, int]] = []
    while True:
        attribute, place = uleb(data, place)
        form, place = uleb(data, place)
        implicit = 0
        if form == IMPLICIT:
            implicit, place = sleb(data, place)
        if attribute == form == 0:
            return tuple(specs), place
        specs.append((attribute, form, implicit))
        if len(specs) > _MOST_ATTRIBUTES:
            raise DWARFError("an abbreviation has no end")
