"""The way to a block, as heap owners tells it: a walk through a container is a part of the step behind it."""

from __future__ import annotations

from gdbheap.report.report import plain_text
from gdbheap.session.named_place import NamedPlace
from gdbheap.tables.holder_rows import HolderRow
from gdbheap.tables.owner_rows import rows_for_people, way_lines

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


def in_block(block: int, offset: int, points_to: int, **cells: str) -> HolderRow:
    holder = f"block {block:#x} + {offset:#x}"
    return HolderRow(block + offset, "block", points_to, holder, "still reachable", block, offset, **cells)


def test_many_holders_alike_are_one_row_of_what_they_have_in_common():
    rows = [HolderRow(0x100, "data", 0, "cycle", "", symbol="cycle", symbol_offset=0, module="server")]
    # 20 words of one array, which point to 20 places; one member of 30 blocks that point to 30 places; what the kernel
    # keeps of each; one offset of 15 blocks.
    rows += [HolderRow(0x200 + 8 * n, "data", n, f"table[{n}]", "", symbol="table", module="server") for n in range(20)]
    rows += [in_block(0x1000 * n, 0x50, 0xF0 * n, member="request.connection") for n in range(1, 31)]
    rows += [in_block(0x90000, 8 * n, 0xF0 * n) for n in range(40)]
    rows += [in_block(0x100000 + 0x1000 * n, 0x18, 0) for n in range(15)]
    rows += [HolderRow(None, "kernel", 0xF0 * n, f"epoll 6 for descriptor {n}", "") for n in range(25)]
    shown = [row.holder for row in rows_for_people(rows, 0) if isinstance(row, HolderRow)]
    assert shown == [
        "cycle",
        "20 words of table, the first: table[0]",
        "30 request.connection, the first: block 0x1000 + 0x50",
        "40 words of block 0x90000, the first: block 0x90000 + 0x0",
        "15 +0x18 of blocks, the first: block 0x100000 + 0x18",
        "25 that the kernel keeps, the first: epoll 6 for descriptor 0",
    ]
