"""heap check --types: what is said of blocks that are not what a typed pointer says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gdbheap.analysis.types.block_types import Misfit
from gdbheap.sentences.block_names import BlockNames
from gdbheap.sentences.misfits import misfit_facts, misfit_lines
from gdbheap.types.catalogue import Catalogue
from support.typed_blocks import FIRST, NOTHING, PLACE, ROW, SHOP, made_catalogue, made_types

ORDER = made_catalogue()[1]["order"]
START = 0x5000_0000


def lines_of(*misfits, limit=0):
    blocks, types, _ = made_types()
    return list(misfit_lines(BlockNames(types, blocks), misfits, limit))


@pytest.mark.parametrize(
    ("misfit", "line"),
    [
        (
            Misfit(NOTHING, FIRST, START + 0x100, ORDER, 0, "too small"),
            "0x50000800 is no struct order, as struct order.next at 0x50000100 says: the block is too small (struct "
            "order has 24 bytes)",
        ),
        (
            Misfit(NOTHING, SHOP, START, ORDER, 8, "not a pointer", 8),
            "0x50000808 is no struct order, as struct shop.orders at 0x50000000 says: what should be struct order.note "
            "is not a pointer",
        ),
        (
            Misfit(ROW, -1, PLACE, ORDER, 0, "another type"),
            "0x50000300 is no struct order, as shop at 0x404000 says: it is struct order *[3]",
        ),
        (
            Misfit(NOTHING, NOTHING, START + 0x800, ORDER, 0, "another type"),
            "0x50000800 is no struct order, as the word at 0x50000800 says: it holds something else",
        ),
    ],
)
def test_each_is_told_with_the_pointer_that_says_otherwise(misfit, line):
    head, told = lines_of(misfit)
    assert head.startswith("types: 1 block is not what a typed pointer says (overwritten")
    assert told == f"  {line}"


def test_more_than_the_limit_are_counted():
    each = Misfit(NOTHING, FIRST, START + 0x100, ORDER, 0, "too small")
    lines = lines_of(each, each, each, limit=2)
    assert len(lines) == 4
    assert lines[-1] == "  … 1 more: --count 0 shows all"


def test_none_is_said_too():
    assert lines_of() == ["types: no block is of another kind than what points to it says"]
    blocks, types, _ = made_types()
    assert list(misfit_lines(BlockNames(replace(types, catalogue=Catalogue()), blocks), (), 0)) == [
        "types: there is no debug information, so it is not known what blocks should be"
    ]


def test_json_has_the_facts():
    blocks, types, _ = made_types()
    facts = misfit_facts(BlockNames(types, blocks), [Misfit(ROW, -1, PLACE, ORDER, 0, "another type")])
    assert facts == [
        {
            "mem": "0x50000300", "offset": 0, "expected": "struct order", "type": "struct order *[3]",
            "place": "0x404000", "holder": None, "reason": "another_type",
        }
    ]  # fmt: skip
