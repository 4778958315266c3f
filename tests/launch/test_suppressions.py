"""Files of suppressions: gdbheap's own entries match rows of `heap leaks --json`; those that match stacks are named."""

from __future__ import annotations

import pytest

from gdbheap.errors import UsageError
from gdbheap.launch.suppressions import read_suppressions

ROW = {
    "kind": "definitely_lost",
    "chunk_size": 0x30,
    "what": "struct order",
    "text": None,
    "module": "libshop.so.1",
    "holder": "shop.orders",
}
OWN = """
# what the parser keeps for good
{
   orders
   gdbheap:Leak
   %s
}
"""


def read(tmp_path, text):
    path = tmp_path / "known"
    path.write_text(text)
    return read_suppressions([str(path)])


@pytest.mark.parametrize(
    ("line", "matches"),
    [
        ("kind: definite", True),
        ("kind: all", True),
        ("kind: possible, definite", True),
        ("kind: possible", False),
        ("type: struct order", True),
        ("type: struct *", True),
        ("type: order", False),
        ("size: 48", True),
        ("size: 0x20-0x40", True),
        ("size: 0x31-", False),
        ("size: -0x30", True),
        ("size: 0x20", False),
        ("text: GET *", False),
        ("module: libshop.so*", True),
        ("module: shop", False),
        ("holder: shop.*", True),
        ("holder: cache", False),
    ],
)
def test_an_entry_matches_by_what_is_known_of_a_leak(tmp_path, line, matches):
    found = read(tmp_path, OWN % line)
    assert (found.match(ROW) is not None) == matches


def test_what_asks_for_module_or_holder_is_known(tmp_path):
    assert read(tmp_path, OWN % "holder: cache").by_place
    assert not read(tmp_path, OWN % "type: struct order").by_place


def test_every_line_of_an_entry_must_hold(tmp_path):
    found = read(tmp_path, OWN % "kind: definite\n   size: 0x20")
    assert found.match(ROW) is None


def test_text_is_matched_where_a_block_begins_with_text(tmp_path):
    found = read(tmp_path, OWN % "text: GET *")
    assert found.match({**ROW, "what": "text", "text": "GET /index.html"}).name == "orders"


def test_what_matches_stacks_is_named_and_not_applied(tmp_path):
    text = """
{
   libfoo's table
   Memcheck:Leak
   match-leak-kinds: reachable
   fun:malloc
   ...
   obj:*/libfoo.so*
}
{
   an uninitialised byte
   Memcheck:Cond
   fun:strlen
}
leak:libbar.so
"""
    found = read(tmp_path, text)
    assert [each.name for each in found.by_stack] == ["libfoo's table", "leak:libbar.so"]
    assert found.match(ROW) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("orders\n", "known:1: an entry begins with {"),
        ("{\n a\n gdbheap:Leak\n", "the last entry has no }"),
        ("{\n a\n}\n", "known:3: an entry needs a name and a kind"),
        (
            "{\n a\n gdbheap:Leak\n fun:malloc\n}\n",
            "known:4: 'fun:malloc' is not one of kind:, size:, type:, text:, module:, holder:",
        ),
        ("{\n a\n gdbheap:Leak\n kind: lost\n}\n", "known:4: 'lost' is not one of definite, indirect"),
        ("{\n a\n gdbheap:Leak\n size: big\n}\n", "known:4: 'big' is neither a size"),
        ("{\n a\n gdbheap:Leak\n size: -\n}\n", "known:4: '-' is neither a size"),
    ],
)
def test_what_cannot_be_understood_is_told_with_its_line(tmp_path, text, said):
    with pytest.raises(UsageError) as error:
        read(tmp_path, text)
    assert said in str(error.value)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UsageError, match="cannot read"):
        read_suppressions([str(tmp_path / "nowhere")])
