"""What lies in each word of a type."""

from __future__ import annotations

import numpy as np

from gdbheap.analysis.types.slots import (
    BYTES,
    CODE,
    INTEGER,
    MIXED,
    PADDING,
    PLAIN,
    VOID,
    Layouts,
    SlotTarget,
)
from gdbheap.types.catalogue import TypeInfo, TypeKind
from gdbheap.types.type_book import TypeBook
from support.made_types import MadeTypes, base, field


def laid_out(made: MadeTypes, rules=()) -> Layouts:
    return Layouts(TypeBook(made.catalogue()), made.pointer_size, rules)


def test_pointers_have_their_targets_and_padding_is_known():
    made = MadeTypes()
    node = made.declare()
    link, number, large = made.pointer(node), made.scalar("int", 4), made.scalar("long", 8)
    call, anything = made.pointer(made.function()), made.pointer()
    made.define(
        node,
        "node",
        56,
        field("next", 0, link),
        field("id", 8, number),
        field("large", 24, large),
        field("call", 32, call),
        field("data", 40, anything),
        field("text", 48, made.array(made.scalar("char", 1), 8)),
    )
    codes = laid_out(made).of(node).codes
    assert codes.tolist() == [node, PLAIN, PADDING, INTEGER, CODE, VOID, BYTES]


def test_structs_in_structs_and_arrays_of_them_are_laid_out_whole():
    made = MadeTypes()
    leaf = made.struct("leaf", 8)
    pair = made.struct("pair", 16, field("leaf", 0, made.pointer(leaf)), field("n", 8, made.scalar("long", 8)))
    outer = made.struct("outer", 40, base(0, made.typedef("pair_t", pair)), field("pairs", 16, made.array(pair, 1)))
    assert laid_out(made).of(outer).codes.tolist() == [leaf, INTEGER, leaf, INTEGER, PADDING]


def test_what_differs_within_a_union_is_kept_with_all_that_it_may_be():
    made = MadeTypes()
    one, two = made.struct("one", 8), made.struct("two", 8)
    either = made.struct(
        "",
        8,
        field("one", 0, made.pointer(one)),
        field("two", 0, made.pointer(two)),
        field("n", 0, made.scalar("long", 8)),
        kind=TypeKind.UNION,
    )
    holder = made.struct("holder", 16, field("tag", 0, made.scalar("int", 4)), field("value", 8, either))
    layouts = laid_out(made)
    assert layouts.of(holder).codes.tolist() == [PLAIN, MIXED]
    assert layouts.mixed[holder, 1] == (one, two, INTEGER)


def test_small_members_that_share_a_word_are_data():
    made = MadeTypes()
    number, char = made.scalar("int", 4), made.scalar("char", 1)
    small = made.struct(
        "small", 16, field("a", 0, number), field("b", 4, number), field("text", 9, made.array(char, 7))
    )
    assert laid_out(made).of(small).codes.tolist() == [PLAIN, BYTES]


def test_a_flexible_array_lies_behind_its_struct_in_the_table():
    made = MadeTypes()
    leaf = made.struct("leaf", 8)
    link = made.pointer(leaf)
    row = made.struct("row", 8, field("count", 0, made.scalar("long", 8)), field("cells", 8, made.array(link)))
    old = made.struct("old", 16, field("count", 0, made.scalar("long", 8)), field("cells", 8, made.array(link, 1)))
    layouts = laid_out(made)
    first, second = layouts.local(np.array([row, old], np.int32)).tolist()
    assert layouts.flexible[[first, second]].tolist() == [8, 8]
    assert layouts.stride[[first, second]].tolist() == [8, 8]
    assert layouts.table[layouts.flexible_base[[first, second]]].tolist() == [leaf, leaf]


def test_a_rule_says_more_than_the_members():
    made = MadeTypes()
    node = made.struct("node", 8)
    head = made.struct("head", 16, field("first", 0, made.pointer()), field("n", 8, made.scalar("long", 8)))

    def rule(book: TypeBook, number: int):
        return {0: SlotTarget(node, many=True)} if book.info(number).name == "head" else None

    layout = laid_out(made, (rule,)).of(head)
    assert layout.codes.tolist() == [node, INTEGER]
    assert layout.many.tolist() == [True, False]


def test_hostile_types_end_and_stay_small():
    made = MadeTypes()
    loop = made.declare()
    made.define(loop, "loop", 1 << 30, field("inner", 0, loop), field("again", 1 << 29, loop))
    huge = made.add(TypeInfo("", TypeKind.ARRAY, (1 << 31) - 1, made.scalar("long", 8), 1 << 28))
    nested = made.scalar("int", 4)
    for _ in range(200):
        nested = made.struct("deep", 1 << 20, field("a", 0, nested), field("b", 1 << 19, nested))
    layouts = laid_out(made)
    assert all(len(layouts.of(number).codes) <= 1 << 14 for number in (loop, huge, nested))


def test_types_of_a_32_bit_program_have_words_of_4_bytes():
    made = MadeTypes(pointer_size=4)
    node = made.declare()
    made.define(node, "node", 12, field("next", 0, made.pointer(node)), field("n", 4, made.scalar("double", 8)))
    assert laid_out(made).of(node).codes.tolist() == [node, PLAIN, PLAIN]
