"""The unit of an address: with and without .debug_aranges the same, and what that table tells is not looked for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from gdbheap.elf.code import units
from gdbheap.elf.code.units import ModuleCode
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.process.process import Module
from support.programs import build

OWN = ("main", "die", "compare")


@pytest.fixture(scope="module", params=["as it is", "without the table"])
def program(request, tmp_path_factory) -> Path:
    made = build("unwound")
    if request.param == "as it is":
        return made
    stripped = tmp_path_factory.mktemp("units") / "program"
    subprocess.run(["objcopy", "--remove-section=.debug_aranges", made, stripped], check=True)
    return stripped


def test_functions_have_their_unit_and_data_has_none(program, monkeypatch):
    looked = []

    def counted(entry):
        looked.append(entry)
        return real(entry)

    real = units.ranges_of
    monkeypatch.setattr(units, "ranges_of", counted)
    code = ModuleCode(Module(str(program), str(program), 0), DebugSearch(()))
    with program.open("rb") as file:
        elf = ELFFile(file)
        symbols = elf.get_section_by_name(".symtab")
        functions = [symbols.get_symbol_by_name(name)[0]["st_value"] for name in OWN]
        data = elf.get_section_by_name(".data")["sh_addr"]
    named = [code.unit_at(each) for each in functions]
    assert all(each.get_top_DIE().attributes["DW_AT_name"].value.endswith(b"unwound.c") for each in named)
    looked.clear()
    assert code.unit_at(data) is None
    assert code.unit_at(data + 1) is None
    assert looked == []
