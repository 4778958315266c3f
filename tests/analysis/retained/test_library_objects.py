"""Containers of a library are one part of what they are in, and its iterators hold nothing (names as gcc 12 writes
those of boost 1.74 and of libc++ 14 into debug information)."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from gdbheap.analysis.retained.parts import part_at
from gdbheap.analysis.retained.weak_pointers import weak_edges
from support.made_types import MadeTypes, field

CONTAINERS = ("boost::container::list<Page, void, void>", "std::__1::list<Page>", "std::list<Page>")
ITERATORS = (
    "boost::intrusive::list_iterator<boost::intrusive::bhtraits<Page> >",
    "boost::unordered::iterator_detail::iterator<boost::unordered::detail::ptr_node<Page> >",
    "boost::multi_index::detail::bidir_node_iterator<Node>",
    "std::__1::__list_iterator<Page, void*>",
    "std::_List_iterator<Page>",
)


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_is_one_part_of_its_object(name: str) -> None:
    made = MadeTypes()
    pages = made.struct(name, 16, field("next", 0, made.pointer()), field("prev", 8, made.pointer()))
    cache = made.struct("Cache", 24, field("name", 0, made.pointer()), field("pages", 8, pages))
    parts = [part_at(made.catalogue(), cache, offset) for offset in (8, 16)]
    assert [(part.start, part.way, part.type) for part in parts] == [(8, ".pages", pages)] * 2


@pytest.mark.parametrize("name", ITERATORS)
def test_an_iterator_holds_nothing(name: str) -> None:
    made = MadeTypes()
    iterator = made.struct(name, 8, field("node", 0, made.pointer()))
    entry = made.struct("Entry", 16, field("key", 0, made.pointer()), field("where", 8, iterator))
    types = SimpleNamespace(catalogue=made.catalogue(), type=np.array([entry]), part=np.zeros(1, np.uint32))
    edges = SimpleNamespace(source=np.zeros(2, np.int32), place=np.array([0, 8], np.uint32))
    held = SimpleNamespace(graph=edges)
    assert weak_edges(held, types).tolist() == [False, True]
