"""heap types: what it says of types made by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from gdbheap.commands import heap_types
from gdbheap.errors import UsageError
from gdbheap.report.json import json_lines
from gdbheap.report.text import text_lines
from gdbheap.types.catalogue import Catalogue
from support.made_graph import BASE
from support.typed_blocks import FIRST, LOST, NOTE, SECOND, ShopTarget, made_types

NONE = {"type": None, "blocks": False, "containers": False, "why": None, "count": None, "json": False, "output": None}


def answer(monkeypatch, made=None, **arguments):
    return heap_types.run(ShopTarget(monkeypatch, heap_types, made), {**NONE, **arguments})


def text(report):
    return "".join(text_lines(report))


def rows(report):
    return json.loads("".join(json_lines(report)))["rows"]


def test_a_row_a_type_the_most_bytes_first(monkeypatch):
    assert text(answer(monkeypatch)) == (
        "count  bytes   share  reachable  lost     example  type\n"
        "    3   96 B  33.3 %          2     1  0x50000100  struct order (1 likely)\n"
        "    1   32 B  11.1 %          0     0  0x50000800  unknown\n"
        "    1   32 B  11.1 %          1     0  0x50000500  what struct order.note points to\n"
        "    1   32 B  11.1 %          1     0  0x50000400  Python dict\n"
        "    1   32 B  11.1 %          0     1  0x50000700  perhaps struct order or union other\n"
        "    1   32 B  11.1 %          1     0  0x50000300  struct order *[]\n"
        "    1   32 B  11.1 %          1     0  0x50000000  struct shop\n"
        "9 blocks, 288 B\n"
        "   55.6 % named for certain: 5 blocks, 160 B\n"
        "   11.1 % likely so: 1 block, 32 B\n"
        "   11.1 % perhaps so: 1 block, 32 B\n"
        "   11.1 % known by their role alone: 1 block, 32 B\n"
        "   11.1 % not known: 1 block, 32 B\n"
        "next: heap view 0x50000100 --count 1 (one of them, member by member), heap retained --by-type (what each type "
        "keeps alive)\n"
    )


def test_of_rust_it_is_told_what_is_not_followed(monkeypatch):
    blocks, types, verdicts = made_types()
    rust = tuple(replace(each, language="rust") for each in types.catalogue.types)
    types = replace(types, catalogue=replace(types.catalogue, types=rust))
    report = answer(monkeypatch, (blocks, types, verdicts))
    assert "what HashMap, BTreeMap and Box<dyn ...> hold is not\n" in text(report)
    assert "Rust" not in text(answer(monkeypatch))


def test_json_has_a_row_a_type(monkeypatch):
    found = rows(answer(monkeypatch, json=True))
    assert found[0] == {
        "count": 3, "bytes": 96, "share": 0.333333, "reachable": 2, "lost": 1, "example": hex(BASE + 0x100 * FIRST),
        "type": "struct order", "role": None, "elements": 3, "certain": 2, "likely": 1, "possible": 0,
        "alternatives": [],
    }  # fmt: skip
    assert [(row["type"], row["role"], row["elements"]) for row in found[1:]] == [
        (None, None, 1), (None, "struct order.note", 1), ("Python dict", None, 1), ("struct order", None, 1),
        ("struct order *[]", None, 3), ("struct shop", None, 1),
    ]  # fmt: skip
    assert sum(row["count"] for row in found) == 9
    assert sum(row["share"] for row in found) == pytest.approx(1, abs=1e-5)


def test_json_has_a_row_a_block(monkeypatch):
    found = rows(answer(monkeypatch, blocks=True, json=True))
    assert found[SECOND] == {
        "mem": hex(BASE + 0x100 * SECOND), "size": 32, "type": "struct order", "confidence": "certain", "role": None,
        "reachable": True, "why": "struct order.next points to it", "verdict": "still_reachable", "alternatives": [],
    }  # fmt: skip
    assert [(row["type"], row["confidence"], row["role"], row["reachable"], row["why"]) for row in found] == [
        ("struct shop", "certain", None, True, "shop points to it"),
        ("struct order", "certain", None, True, "struct shop.orders points to it"),
        ("struct order", "certain", None, True, "struct order.next points to it"),
        ("struct order *[3]", "certain", None, True, "struct shop.row points to it, and it has room for several"),
        ("Python dict", "certain", None, True, "its contents"),
        (None, None, "struct order.note", True, "struct order.note points to it"),
        ("struct order", "likely", None, False, "it points where this type's members point, and has its size"),
        ("struct order", "possible", None, False,
         "blocks of its size and shape, which point where it does, are of this type"),
        (None, None, None, None, ""),
    ]  # fmt: skip
    assert found[7]["alternatives"] == ["union other"]


@pytest.mark.parametrize("wanted", ["order", "struct order"])
def test_one_type_is_listed_by_its_name(monkeypatch, wanted):
    assert text(answer(monkeypatch, type=wanted)) == (
        "       mem  size  reachable  type                                 why\n"
        "0x50000100  0x20  yes        struct order                         struct shop.orders points to it\n"
        "0x50000200  0x20  yes        struct order                         struct order.next points to it\n"
        "0x50000600  0x20  no         likely struct order                  it points where this type's members "
        "point, and has its size\n"
        "0x50000700  0x20  no         perhaps struct order or union other  blocks of its size and shape, which point "
        "where it does, are of this type\n"
        "4 blocks, 128 B\n"
        "next: heap owners 0x50000100 (who points to the first), heap types --why 0x50000100 (how its type is known)\n"
    )


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("struct order *[]", [3]),
        ("python", [4]),
        ("NOTE", [NOTE]),
        ("shop", [0]),
        ("dict", [4]),
    ],
)
def test_a_part_of_a_name_or_role_will_do(monkeypatch, wanted, found):
    assert [int(row["mem"], 16) for row in rows(answer(monkeypatch, type=wanted))] == [
        BASE + 0x100 * each for each in found
    ]


def test_a_type_that_no_block_has_is_refused(monkeypatch):
    with pytest.raises(UsageError, match="no live block has a type or role called 'customer'"):
        answer(monkeypatch, type="customer")


def test_the_way_from_a_variable_is_told(monkeypatch):
    report = answer(monkeypatch, why=BASE + 0x100 * SECOND + 16)
    assert text(report) == (
        "0x50000200 is struct order\n"
        "because struct order.next points to it\n"
        "0x50000210 is its member struct order.id\n"
        "the path to it: shop->orders->next\n"
        "    shop at 0x404000 → 0x50000000 struct shop\n"
        "  → struct shop.orders at 0x50000000 → 0x50000100 struct order\n"
        "  → struct order.next at 0x50000100 → 0x50000200 struct order\n"
        "next: heap owners 0x50000200 (who points to it), heap vis 0x50000200 --count 1 (its bytes)\n"
    )
    assert [each["member"] for each in report.facts["chain"]] == ["shop", "struct shop.orders", "struct order.next"]


def test_what_is_likely_or_not_known_is_said_so(monkeypatch):
    assert text(answer(monkeypatch, why=BASE + 0x100 * LOST)).splitlines()[:-1] == [
        "0x50000600 is likely struct order",
        "because it points where this type's members point, and has its size",
    ]
    unknown = text(answer(monkeypatch, why=BASE + 0x800)).splitlines()
    assert unknown[:-1] == ["it is not known what the block at 0x50000800 is"]


def test_a_long_chain_is_folded(monkeypatch):
    blocks, types, _ = made_types()
    count = 1000
    start = np.arange(count, dtype=np.uint64) * np.uint64(0x20) + np.uint64(BASE)
    order = int(types.type[FIRST])
    pick = {
        name: np.full(count, int(getattr(types, name)[FIRST]), getattr(types, name).dtype)
        for name in ("type", "count", "part", "confidence", "how", "role", "label")
    }
    parent = np.arange(-1, count - 1, dtype=np.int32)
    place = np.concatenate(([0x404000], start[:-1])).astype(np.uint64)
    long = replace(types, start=start, parent=parent, parent_place=place, alternatives={}, **pick)
    long = replace(long, roots=(replace(types.roots[0], type=int(order)),))
    blocks = replace(blocks, start=start, end=start + np.uint64(24), size=np.full(count, 32, np.uint64))
    report = answer(monkeypatch, (blocks, long, np.full(count, 3, np.uint8)), why=BASE + 0x20 * 999)
    assert text(report).splitlines()[2:-1] == [
        "the path to it: shop.next->next{999 times}",
        "    shop.next at 0x404000 → 0x50000000 struct order",
        "  → struct order.next at 0x50007cc0 (and so on, 999 times) → 0x50007ce0 struct order",
    ]


def test_without_debug_information_what_to_install_is_said(monkeypatch):
    blocks, types, verdict = made_types()
    unknown = np.full_like(types.type, -1)
    bare = replace(
        types, catalogue=Catalogue(), type=unknown, role=unknown, roots=(), alternatives={}, count=unknown + 1
    )
    said = text(answer(monkeypatch, (blocks, bare, verdict)))
    assert said.splitlines()[1:3] == [
        "    8  256 B  88.9 %          5     2  0x50000000  unknown",
        "    1   32 B  11.1 %          1     0  0x50000400  Python dict",
    ]
    assert (
        "\nnote: no debug information for shop: only what needs none is named. Compile it with -g, or install its "
        "debug symbols (on Debian the package PROGRAM-dbgsym; elsewhere debuginfod serves them)\nnext: heap retained "
    ) in said
