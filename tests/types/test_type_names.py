"""Types and members as a programmer writes them."""

from __future__ import annotations

from gdbheap.types.catalogue import NONE, TypeInfo, TypeKind
from gdbheap.types.type_names import member_name, member_path, size_of, stripped, type_name
from support.made_types import MadeTypes, base, field


def test_types_are_written_as_in_the_source():
    made = MadeTypes()
    node = made.struct("node", 16)
    order = made.struct("order", 16)
    made.typedef("order", order)
    char = made.scalar("char", 1)
    text = made.pointer(char)
    catalogue = made.catalogue()
    assert type_name(catalogue, node) == "struct node"
    assert type_name(catalogue, order) == "order"
    assert type_name(catalogue, text) == "char *"
    assert type_name(catalogue, NONE) == "void"
    made.pointer(text)
    made.array(made.pointer(node), 4)
    made.array(node)
    catalogue = made.catalogue()
    assert [type_name(catalogue, number) for number in range(5, 9)] == [
        "char **",
        "struct node *",
        "struct node *[4]",
        "struct node[]",
    ]


def test_a_member_is_named_by_its_whole_path():
    made = MadeTypes()
    number = made.scalar("int", 4)
    pair = made.struct("pair", 8, field("key", 0, number), field("value", 4, number))
    table = made.struct("table", 72, field("count", 0, number), field("pairs", 8, made.array(pair, 8)))
    catalogue = made.catalogue()
    assert member_name(catalogue, table, 28) == "struct table.pairs[2].value"
    assert member_path(catalogue, table, 4) == "+0x4"
    assert member_name(catalogue, number, 0) == "int"


def test_what_a_base_class_has_is_a_member_of_the_class():
    made = MadeTypes(language="c++")
    number = made.scalar("int", 4)
    shape = made.struct("Shape", 16, field("id", 8, number))
    circle = made.struct("Circle", 24, base(0, shape), field("radius", 16, number))
    assert member_name(made.catalogue(), circle, 8) == "Circle::id"


def test_a_flexible_array_has_members_behind_the_struct():
    made = MadeTypes()
    number = made.scalar("int", 4)
    row = made.struct("row", 4, field("count", 0, number), field("cells", 4, made.array(number)))
    assert member_path(made.catalogue(), row, 16) == ".cells[3]"


def test_circles_of_types_end():
    made = MadeTypes()
    one = made.add(TypeInfo("one", TypeKind.TYPEDEF, 8, 1))
    made.add(TypeInfo("two", TypeKind.TYPEDEF, 8, one))
    own = made.add(TypeInfo("", TypeKind.POINTER, 8, 2))
    array = made.add(TypeInfo("", TypeKind.ARRAY, 0, 3, 1 << 30))
    loop = made.declare()
    made.define(loop, "loop", 8, field("inner", 0, loop))
    catalogue = made.catalogue()
    assert stripped(catalogue, one) == NONE
    assert type_name(catalogue, own).endswith("*")
    assert size_of(catalogue, array) == 0
    assert member_path(catalogue, loop, 0).startswith(".inner.inner")
