"""libc++'s containers, from types as clang writes them: CI has no libc++, so that these are made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gdbheap.analysis.types.containers import ContainerKind, Containers
from gdbheap.analysis.types.libcxx import is_libcxx_node, lay_out_shared, libcxx_targets
from gdbheap.analysis.types.libcxx_containers import libcxx_kind, libcxx_sizes
from gdbheap.analysis.types.slots import BYTES, PADDING, Layouts
from gdbheap.analysis.types.variant_storages import variant_in
from gdbheap.types.catalogue import TypeKind
from gdbheap.types.type_book import TypeBook
from support.made_types import MadeTypes, base, field

LIBRARY = "std::__1::"


class Library(MadeTypes):
    """Makes instances of templates, whose first argument is what they hold."""

    def instance(self, name: str, value: int, size: int, *members) -> int:
        number = self.struct(f"{LIBRARY}{name}", size, *members)
        self.types[number] = replace(self.types[number], arguments=(value,))
        return number

    def layouts(self) -> Layouts:
        book = TypeBook(self.catalogue())
        lay_out_shared(book)
        return Layouts(book, 8, (libcxx_targets,))


def test_a_vector_leads_to_many_and_a_bit_vector_is_left_alone():
    made = Library(language="c++")
    item = made.struct("Item", 24)
    pointer = made.pointer(item)
    members = (field("__begin_", 0, pointer), field("__end_", 8, pointer))
    vector = made.instance("vector<Item, std::__1::allocator<Item> >", item, 24, *members)
    bits = made.instance("vector<bool, std::__1::allocator<bool> >", item, 24, field("__begin_", 0, made.pointer()))
    layouts = made.layouts()
    assert layouts.of(vector).codes[0] == item and layouts.of(vector).many.tolist() == [True, False, False]
    assert not layouts.of(bits).many.any()


def test_links_of_lists_lead_to_nodes_and_their_own_types_are_told():
    made = Library(language="c++")
    item = made.struct("Item", 24)
    links = made.declare()
    pointer = made.pointer(links)
    made.define(links, "", 16, field("__prev_", 0, pointer), field("__next_", 8, pointer))
    made.types[links] = replace(made.types[links], name=f"{LIBRARY}__list_node_base<Item, void *>", arguments=(item,))
    node = made.instance("__list_node<Item, void *>", item, 40, base(0, links), field("__value_", 16, item))
    holder = made.struct("Holder", 24, field("__end_", 0, links))
    layouts = made.layouts()
    assert layouts.of(holder).codes.tolist()[:2] == [node, node]
    assert layouts.of(node).codes.tolist()[:2] == [node, node]
    assert is_libcxx_node(layouts.book, node) and not is_libcxx_node(layouts.book, links)


def test_trees_and_hash_tables_lead_to_the_nodes_of_their_own_values():
    made = Library(language="c++")
    item, other = made.struct("Item", 8), made.struct("Other", 8)
    end = made.struct("__tree_end_node", 8, field("__left_", 0, made.pointer()))
    plain = made.struct("__tree_node_base", 32, base(0, end), field("__right_", 8, made.pointer()))
    nodes = [
        made.instance(f"__tree_node<{name}, void *>", value, 40, base(0, plain), field("__value_", 32, value))
        for name, value in (("Item", item), ("Other", other))
    ]
    tree = made.instance(
        "__tree<Other, less>", other, 24, field("__begin_node_", 0, made.pointer()), field("__pair1_", 8, end)
    )
    link = made.struct("__hash_node_base", 8, field("__next_", 0, made.pointer()))
    hashed = made.instance("__hash_node<Item, void *>", item, 24, base(0, link))
    table = made.instance("__hash_table<Item, hash>", item, 40, field("__p1_", 16, link))
    layouts = made.layouts()
    assert layouts.of(tree).codes.tolist() == [nodes[1], nodes[1], PADDING]
    assert layouts.of(nodes[0]).codes.tolist()[:2] == [nodes[0], nodes[0]]
    assert layouts.of(table).codes[2] == hashed == layouts.of(hashed).codes[0]


def test_what_make_shared_made_has_its_object():
    made = Library(language="c++")
    item = made.struct("Item", 16, field("next", 8, made.pointer(made.struct("Next", 8))))
    raw = made.struct("_Storage", 16, field("__blob_", 0, made.array(made.scalar("char", 1), 16)))
    block = made.instance("__shared_ptr_emplace<Item, alloc>", item, 40, field("__storage_", 24, raw))
    layouts = made.layouts()
    assert layouts.of(raw).codes.tolist() == [BYTES, BYTES]
    assert layouts.of(block).codes[4] == layouts.of(item).codes[1] >= 0


def test_a_variants_types_are_told_in_the_order_of_its_index():
    made = Library(language="c++")
    kinds = [made.struct(name, 8) for name in ("A", "B", "C")]
    rest = made.struct("", 1, kind=TypeKind.UNION)
    for kind in reversed(kinds):
        members = (field("__dummy", 0, made.scalar("char", 1)), field("__head", 0, kind), field("__tail", 0, rest))
        rest = made.struct("", 8, *members, kind=TypeKind.UNION)
    index = made.scalar("unsigned int", 4)
    variant = made.struct(f"{LIBRARY}__base<A>", 16, field("__data", 0, rest), field("__index", 8, index))
    plain = made.struct("mine", 16, field("__data", 0, rest), field("__index", 8, index))
    book = TypeBook(made.catalogue())
    found = variant_in(book, variant)
    assert found is not None and found.arms == tuple(kinds) and (found.index, found.width) == (8, 4)
    assert variant_in(book, plain) is None


def test_what_containers_hold_and_have_room_for():
    """(Words as clang's programs have them: a long string begins with its capacity and a bit, a short one with twice
    its length; a deque ends with its size.)"""
    made = Library(language="c++")
    letter, item = made.scalar("char", 1), made.struct("Item", 24)
    cases = {
        ("basic_string<char, std::__1::allocator<char> >", letter, 24): [
            ([0x31, 40, 0x5000], (40, 47)),
            ([0x6C6C65680A, 0, 0], (5, 5)),
        ],
        ("vector<Item, std::__1::allocator<Item> >", item, 24): [([0x5000, 0x5030, 0x5060], (2, 4))],
        ("unordered_set<Item, H, E, A>", item, 40): [([0x5000, 11, 0x6000, 4, 0x3F800000], (4, 11))],
        ("map<Item, Item, C, A>", item, 24): [([0x5000, 0x5030, 7], (7, None))],
        ("deque<Item, A>", item, 48): [([0x5000, 0x5000, 0x5008, 0x5010, 3, 9], (9, None))],
    }
    numbers = {made.instance(name, value, size): rows for (name, value, size), rows in cases.items()}
    larger = made.instance("map<Item, Item, Comparison, A>", item, 32)
    book = TypeBook(made.catalogue())
    for number, rows in numbers.items():
        kind = libcxx_kind(book, number)
        assert isinstance(kind, ContainerKind)
        address = np.arange(len(rows), dtype=np.uint64)
        words = np.array([row for row, _ in rows], np.uint64)
        entries, capacity, _ = libcxx_sizes(book, Containers(number, kind, address, address, words))
        room = [None] * len(rows) if capacity is None else capacity.tolist()
        assert list(zip(entries.tolist(), room)) == [expected for _, expected in rows]
    assert libcxx_kind(book, larger) is None
