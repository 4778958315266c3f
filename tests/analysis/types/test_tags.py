"""Members that tell which of several types a pointer leads to."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from gdbheap.analysis.types import tags
from gdbheap.analysis.types.readings import WRONG
from gdbheap.analysis.types.tag import Tag
from gdbheap.analysis.types.tags import by_tags, tagged_part, tags_of
from gdbheap.types.catalogue import Member, MemberKind, TypeKind
from gdbheap.types.type_book import TypeBook
from support.made_types import MadeTypes, field

# Two types are asked about: what goes better with the first, with the second, and with both alike.
FIRST, SECOND, EITHER = (3, WRONG), (WRONG, 3), (1, 1)


def tagged_struct():
    """struct { int id; unsigned kind: 4; union { long number; struct one *one; }; } in struct outer { long x; ...; }"""
    made = MadeTypes()
    number, large = made.scalar("int", 4), made.scalar("long", 8)
    one = made.struct("one", 8)
    either = made.struct("", 8, field("number", 0, large), field("one", 0, made.pointer(one)), kind=TypeKind.UNION)
    kind = Member("kind", 4, number, MemberKind.BIT_FIELD)
    value = made.struct("value", 16, field("id", 0, number), kind, field("", 8, either))
    outer = made.struct("outer", 40, field("x", 0, large), field("values", 8, made.array(value, 2)))
    return TypeBook(made.catalogue()), value, outer


def told(monkeypatch, scores, **values):
    """Return the row that each word is told, where the struct has a member of these values for each word."""
    book, value, _ = tagged_struct()
    column = {Tag(0, 4): values["id"], Tag(4, 1): values["kind"]}
    monkeypatch.setattr(tags, "tag_values", lambda state, tag, struct: np.array(column[tag], np.uint64))
    found = by_tags(SimpleNamespace(book=book), np.array(scores).T, np.arange(len(scores), dtype=np.uint64), value)
    return None if found is None else (found.tag, found.row.tolist())


def test_the_struct_around_a_union_is_found_in_arrays_and_other_structs():
    book, value, outer = tagged_struct()
    assert tagged_part(book, outer, 16) == tagged_part(book, outer, 32) == (value, 8)


def test_integers_and_bit_fields_may_be_tags():
    book, value, _ = tagged_struct()
    assert tags_of(book, value) == [Tag(0, 4), Tag(4, 1)]


def test_the_member_that_parts_the_words_is_the_tag(monkeypatch):
    scores = [FIRST, SECOND] * 8
    assert told(monkeypatch, scores, id=range(16), kind=[0, 1] * 8) == (Tag(4, 1), [0, 1] * 8)


def test_what_nothing_tells_alone_goes_with_those_of_its_tag(monkeypatch):
    scores = [EITHER, FIRST, SECOND, EITHER] * 8
    assert told(monkeypatch, scores, id=[0] * 32, kind=[0, 0, 1, 1] * 8) == (Tag(4, 1), [0, 0, 1, 1] * 8)


def test_of_equal_types_it_is_the_one_that_no_other_tag_stands_for(monkeypatch):
    scores = [(WRONG, 1, 1), (WRONG, WRONG, 3), (3, WRONG, WRONG)] * 8
    assert told(monkeypatch, scores, id=[0] * 24, kind=[0, 1, 2] * 8) == (Tag(4, 1), [1, 2, 0] * 8)


def test_what_contradicts_itself_is_not_told(monkeypatch):
    scores = [FIRST, SECOND] * 8
    assert told(monkeypatch, scores, id=[0] * 16, kind=[5] * 16) is None
