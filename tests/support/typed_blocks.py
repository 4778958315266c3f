"""Blocks of a small shop with types made by hand, and a target that has them."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from gdbheap.analysis.leaks.leaks import LeakKind
from gdbheap.analysis.types.block_types import Confidence, How, Role, no_types
from gdbheap.interface.settings import SETTINGS
from gdbheap.sentences.block_names import BlockNames
from gdbheap.types.catalogue import Catalogue, TypeKind
from gdbheap.types.typed_root import TypedRoot
from support.made_graph import blocks_of
from support.made_types import MadeTypes, field

PLACE = 0x404000
SHOP, FIRST, SECOND, ROW, DICT, NOTE, LOST, ODD, NOTHING = range(9)


def made_catalogue() -> tuple[Catalogue, dict[str, int]]:
    """Return types of C: struct shop { struct order *orders; struct order **row; }, struct order { struct order *next;
    char *note; int id; }."""
    made = MadeTypes()
    order, number, char = made.declare(), made.scalar("int", 4), made.scalar("char", 1)
    pointer, text = made.pointer(order), made.pointer(char)
    made.define(order, "order", 24, field("next", 0, pointer), field("note", 8, text), field("id", 16, number))
    shop = made.struct("shop", 16, field("orders", 0, pointer), field("row", 8, made.pointer(pointer)))
    other = made.struct("other", 24, kind=TypeKind.UNION)
    number_of = {"order": order, "shop": shop, "char": char, "order *": pointer, "other": other}
    return made.catalogue(), {**number_of, "shop *": made.pointer(shop)}


def made_types():
    """Return (blocks, types, verdicts): a variable `shop` holds block SHOP, that FIRST (its next is SECOND) and ROW, an
    array of 3 pointers; DICT is named by its contents, NOTE plays a role, LOST is likely an order, ODD perhaps one,
    NOTHING is not known."""
    catalogue, number = made_catalogue()
    made = MadeTypes()
    made.types = list(catalogue.types)
    shop_pointer = made.pointer(number["shop"])
    blocks = blocks_of([(0x100 * each, 24) for each in range(9)])
    start = blocks.start
    types = no_types(start, 0, made.catalogue())
    none = -1
    columns = [
        # type, count, confidence, how, parent, offset of the word, role, label
        (number["shop"], 0, Confidence.CERTAIN, How.VARIABLE, none, PLACE, none, none),
        (number["order"], 0, Confidence.CERTAIN, How.MEMBER, SHOP, int(start[SHOP]), none, none),
        (number["order"], 0, Confidence.CERTAIN, How.MEMBER, FIRST, int(start[FIRST]), none, none),
        (number["order *"], 3, Confidence.CERTAIN, How.ARRAY, SHOP, int(start[SHOP]) + 8, none, none),
        (none, 0, Confidence.CERTAIN, How.CONTENTS, none, 0, none, 0),
        (none, 0, Confidence.NONE, How.UNKNOWN, FIRST, int(start[FIRST]) + 8, 0, none),
        (number["order"], 0, Confidence.LIKELY, How.POINTS_TO, none, 0, none, none),
        (number["order"], 0, Confidence.POSSIBLE, How.SAME_CALL, none, 0, none, none),
        (none, 0, Confidence.NONE, How.UNKNOWN, none, 0, none, none),
    ]
    kinds = (np.int32, np.int32, np.uint8, np.uint8, np.int32, np.uint64, np.int32, np.int32)
    names = ("type", "count", "confidence", "how", "parent", "parent_place", "role", "label")
    types = replace(
        types,
        **{name: np.array(column, kind) for name, column, kind in zip(names, zip(*columns), kinds)},
        roles=(Role(number["order"], 8),),
        labels=("Python dict",),
        alternatives={ODD: (number["order"], number["other"])},
        roots=(TypedRoot("shop", shop_pointer, PLACE),),
    )
    verdict = np.full(9, LeakKind.STILL_REACHABLE, np.uint8)
    verdict[[LOST, ODD]] = LeakKind.DEFINITELY_LOST, LeakKind.POSSIBLY_LOST
    verdict[NOTHING] = LeakKind.UNDECIDED
    return blocks, types, verdict


class ShopTarget:
    """As much of a Target as heap types asks for; `made` as of made_types()."""

    def __init__(self, monkeypatch, module, made=None):
        blocks, types, verdict = made or made_types()
        nothing_unread = SimpleNamespace(unread=0)
        held = SimpleNamespace(
            blocks=blocks, graph=nothing_unread, unread=0, blind=False, missing=(), interrupted=False
        )
        leaks = SimpleNamespace(held=held, verdict=verdict)
        monkeypatch.setattr(module, "all_names", lambda target: BlockNames(types, blocks))
        monkeypatch.setattr(module, "judged_blocks", lambda target: leaks)
        self.process = SimpleNamespace(
            main=SimpleNamespace(path="/usr/bin/shop", file="/usr/bin/shop"),
            assumed_zeros=(),
            stand_ins=(),
            left_out=(),
            address_space=SimpleNamespace(known=True),
        )

    def heap(self):
        return SimpleNamespace(notes=(), faults=(), chunk_at=lambda address: None)

    def setting(self, name):
        return next(each.default for each in SETTINGS if each.name == name)
