"""Addresses by name: how they are written, and what a symbol's name says of the object that points to it."""

from __future__ import annotations

import pytest

from gdbheap.process.named_address import NamedAddress, StackPlace

WRITTEN = {
    NamedAddress("main", 0, "server"): "main in server",
    NamedAddress("adder::operator+(int) const", 4, "server"): "adder::operator+(int) const+4 in server",
    StackPlace(0x48): "sp+0x48",
    StackPlace(0x48, 2, "main"): "frame 2 main, sp+0x48",
    StackPlace(0x48, 3, "", is_above=True): "above frame 3 ?, sp+0x48",
    StackPlace(-8, 0, "leaf"): "frame 0 leaf, sp-0x8",
    StackPlace(0x48, 2, "main", "p"): "frame 2 main, local p",
    StackPlace(0x48, 2, "main", "table", 24): "frame 2 main, local table+0x18",
}


@pytest.mark.parametrize("place", WRITTEN, ids=str)
def test_a_place_is_written(place):
    assert str(place) == WRITTEN[place]


@pytest.mark.parametrize(
    ("name", "offset", "is_vtable", "class_name", "type_name"),
    [
        ("vtable for app::Car", 16, True, "app::Car", ""),
        ("construction vtable for Base-in-Both", 24, True, "Base-in-Both", ""),
        ("_ZTV3Car", 16, True, "", ""),
        ("typeinfo for Car", 0, False, "", "Car"),
        ("typeinfo for std::bad_alloc@GLIBCXX_3.4", 0, False, "", "std::bad_alloc"),
        ("typeinfo for Car", 8, False, "", ""),
        ("typeinfo name for Car", 0, False, "", ""),
        ("keep_in in a_name", 0, False, "", ""),
    ],
)
def test_a_symbol_tells_of_an_object(name, offset, is_vtable, class_name, type_name):
    symbol = NamedAddress(name, offset, "server")
    assert (symbol.is_vtable, symbol.class_name, symbol.type_name) == (is_vtable, class_name, type_name)
