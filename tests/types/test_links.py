"""Which members a list or tree is followed by, told by their names."""

from __future__ import annotations

import pytest

from gdbheap.types.links import Link, links_named, links_to_follow
from gdbheap.types.short_names import short_name

STRING = "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >"
RESOURCE = "std::pmr::polymorphic_allocator"
PMR_STRING = f"std::__cxx11::basic_string<char, std::char_traits<char>, {RESOURCE}<char> >"


def links(*names):
    return [Link(name, 8 * index) for index, name in enumerate(names)]


@pytest.mark.parametrize(
    ("names", "followed"),
    [
        (["next", "prev"], ["next"]),
        (["prev", "next"], ["next"]),
        (["prev"], ["prev"]),
        (["left", "right", "parent"], ["left", "right"]),
        (["_M_left", "_M_right", "_M_parent"], ["_M_left", "_M_right"]),
        (["le_next", "iter_next"], ["le_next"]),
        (["pNext", "pPrev"], ["pNext"]),
        (["m_nextSibling", "m_firstChild", "m_parent"], ["m_firstChild", "m_nextSibling"]),
        (["child[0]", "child[1]", "next"], ["child[0]", "child[1]", "next"]),
        (["all.next", "all.prev", "twin"], ["all.next"]),
        (["twin", "owner"], ["twin"]),
        ([], []),
    ],
)
def test_a_tree_goes_down_and_a_list_onward(names, followed):
    assert [each.name for each in links_to_follow(links(*names))] == followed


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("next", ["all.next"]),
        ("all.next", ["all.next"]),
        ("child", ["child[0]", "child[1]"]),
        ("child[1]", ["child[1]"]),
        ("all", []),
    ],
)
def test_a_link_is_named_whole_or_by_its_last_part(wanted, found):
    assert [each.name for each in links_named(links("all.next", "child[0]", "child[1]"), wanted)] == found


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("struct order", "struct order"),
        (STRING, "std::string"),
        (f"{STRING} *", "std::string *"),
        (f"std::vector<{STRING}, std::allocator<{STRING} > >", "std::vector<std::string>"),
        ("std::map<int, A, std::less<int>, std::allocator<std::pair<int const, A> > >", "std::map<int, A>"),
        ("std::map<int, A, Mine, std::allocator<std::pair<int const, A> > >", "std::map<int, A, Mine>"),
        ("std::__1::vector<int, std::__1::allocator<int> >::iterator", "std::vector<int>::iterator"),
        ("std::unique_ptr<A, std::default_delete<A> >[3]", "std::unique_ptr<A>[3]"),
        ("std::allocator<int>", "std::allocator<int>"),
        ("Callback<void (*)(int, char)>", "Callback<void (*)(int, char)>"),
        ("Buffer<4ul, (Kind)1>", "Buffer<4, (Kind)1>"),
        ("Row<int, 12UL>", "Row<int, 12>"),
        ("std::shared_ptr_access<A, __gnu_cxx::_S_atomic>", "std::shared_ptr_access<A>"),
        ("std::shared_ptr_access<A, (__gnu_cxx::_Lock_policy)2>", "std::shared_ptr_access<A>"),
        (f"std::vector<{PMR_STRING}, {RESOURCE}<{PMR_STRING} > >", "std::pmr::vector<std::pmr::string>"),
        (f"std::_List_node<{PMR_STRING} >", "std::_List_node<std::pmr::string>"),
        ("start()::<lambda(int)> ", "start()::<lambda(int)>"),
        ("Odd<(1>2)>", "Odd<(1>2)>"),
        ("Broken<", "Broken<"),
        ("Broken<A, std::allocator<A>", "Broken<A, std::allocator<A>"),
        ("<" * 5000, "<" * 5000),
    ],
)
def test_what_the_library_fills_in_is_left_out_of_names(name, short):
    assert short_name(name) == short
