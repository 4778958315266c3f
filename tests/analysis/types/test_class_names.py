"""Names of classes as symbols and as debug information write them."""

from __future__ import annotations

import pytest

from gdbheap.analysis.types.class_names import ClassNames, plain
from gdbheap.types.type_book import TypeBook
from support.made_types import MadeTypes

# As gdb demangles a vtable's symbol or a type_info, and as gcc and clang write the type.
SAME = [
    ("Row<double, 3>", "Row<double, 3>"),
    ("Row<double, (unsigned long)3>", "Row<double, 3ul>"),
    (
        "std::_Sp_counted_ptr_inplace<Car, std::allocator<void>, (__gnu_cxx::_Lock_policy)2>",
        "std::_Sp_counted_ptr_inplace<Car, std::allocator<void>, (__gnu_cxx::_Lock_policy)2>",
    ),
    ("std::pair<std::string const, long>", "std::pair<const std::string, long int>"),
    ("std::__cxx11::list<int>", "std::list<int>"),
    ("(anonymous namespace)::Hidden", "Hidden"),
    ("make(int, char*)::Local", "make::Local"),
    ("app::Cache<std::vector<int> >::Node", "app::Cache<std::vector<int>>::Node"),
    ("Holder[abi:cxx11]", "Holder"),
    ("Row<(char)97>", "Row<'a'>"),
]
DIFFERENT = [("Row<double, 3>", "Row<double, 4>"), ("a::Node", "b::Node"), ("Row<int>", "Row<long>")]


@pytest.mark.parametrize("symbol, type_", SAME)
def test_one_class_has_one_plain_name(symbol, type_):
    assert plain(symbol) == plain(type_)


@pytest.mark.parametrize("one, other", DIFFERENT)
def test_different_classes_keep_different_names(one, other):
    assert plain(one) != plain(other)


@pytest.mark.parametrize(
    "symbol, types, found",
    [
        ("Count<Car, (lib::Policy)2>", ["Count<Car, lib::atomic>", "Count<Bus, lib::atomic>"], [0]),
        ("Count<Car, (lib::Policy)2>", ["Count<Car, lib::Policy::atomic>"], [0]),
        ("Count<Car, (lib::Policy)2>::Node", ["Count<Car, lib::atomic>::Node"], [0]),
        ("Count<Car, (lib::Policy)2>", ["Count<Car, lib::atomic>", "Count<Car, lib::mutex>"], []),
        ("Count<Car, (lib::Policy)2>", ["Count<Car, other::atomic>", "Count<Car, int>"], []),
        ("Pair<(A)1, (B)0>", ["Pair<one, none>"], [0]),
    ],
)
def test_values_of_enumerations_go_by_their_names_where_one_class_alone_is_called_so(symbol, types, found):
    made = MadeTypes()
    for name in types:
        made.struct(name, 16)
    assert list(ClassNames(TypeBook(made.catalogue())).find(symbol)) == found
