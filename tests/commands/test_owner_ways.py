"""The way to a block, as heap owners tells it: a walk through a container is a part of the step behind it."""

from __future__ import annotations

from gdbheap.report.report import plain_text
from gdbheap.session.named_place import NamedPlace
from gdbheap.tables.owner_rows import way_lines

NODE = "std::_Rb_tree_node<Session>"


def in_node(address: int, member: str, *, is_link: bool) -> NamedPlace:
    return NamedPlace(block=address, offset=24, named=f"{NODE}::{member}", type=NODE, member=member, is_link=is_link)


def test_links_of_a_container_are_one_step():
    path = [
        NamedPlace(area="server", offset=16),
        in_node(0x1000, "_M_left", is_link=True),
        in_node(0x2000, "_M_right", is_link=True),
        in_node(0x3000, "_M_storage.user", is_link=False),
        NamedPlace(block=0x4000, offset=None, named="User", type="User"),
    ]
    assert [plain_text(line) for line in way_lines(path)] == [
        "server + 0x10",
        "→ through 2 links of the container: std::_Rb_tree_node<Session>::_M_storage.user (block 0x3000 + 0x18)",
        "→ User (block 0x4000)",
    ]


def test_one_link_is_one():
    path = [in_node(0x1000, "_M_next", is_link=True), in_node(0x2000, "_M_storage", is_link=False)]
    (line,) = way_lines(path)
    assert (
        plain_text(line)
        == "through 1 link of the container: std::_Rb_tree_node<Session>::_M_storage (block 0x2000 + 0x18)"
    )
