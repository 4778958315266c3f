"""Every fact that analysis can state: its published kind, its phrase, its record."""

from __future__ import annotations

import ast
import importlib
import json
import re
import string
from pathlib import Path

import pytest

import gdbheap
from gdbheap.analysis.crashes import fills
from gdbheap.analysis.facts.memory import ThresholdHasRisen
from gdbheap.analysis.facts.places import InChunk
from gdbheap.analysis.facts.pointers import ChunkIsThere, TextUsed
from gdbheap.analysis.facts.signals import TrapBehind
from gdbheap.analysis.invariants.finding import Must, exactly, number
from gdbheap.process.address import Address
from gdbheap.process.clause import clause
from gdbheap.process.fact import Fact
from gdbheap.sentences.facts import pointers
from gdbheap.sentences.facts.clauses import BY_NAME
from gdbheap.sentences.facts.said import phrase_for, said

PACKAGE = Path(gdbheap.__file__).parent
for path in sorted((PACKAGE / "analysis").rglob("*.py")):
    if "(Fact):" in path.read_text():
        importlib.import_module(".".join(("gdbheap", *path.relative_to(PACKAGE).with_suffix("").parts)))
KINDS = sorted(Fact.__subclasses__(), key=lambda each: each.__name__)


def test_each_kind_of_fact_has_a_published_name_of_its_own():
    names = [each.kind for each in KINDS]
    assert len(KINDS) > 150 and all(re.fullmatch(r"[a-z]\w*", name) for name in names)
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_fact_has_a_phrase_which_names_its_own_fields(kind):
    phrase = phrase_for(kind)
    if not isinstance(phrase, str):
        return
    named = {name for _, name, _, _ in string.Formatter().parse(phrase) if name is not None}
    # (A kind gets its dataclass's fields with its first instance.)
    assert named <= {name for each in kind.__mro__ for name in getattr(each, "__annotations__", {})}


@pytest.mark.parametrize(
    ("fact", "sentence", "record"),
    [
        (
            ChunkIsThere(InChunk("tcache", 0x405290, 0x30, "tcache[1] 1/2")),
            "the tcache chunk 0x405290 of 0x30 bytes (tcache[1] 1/2) is there",
            {
                "kind": "chunk_there",
                "chunk": {
                    "kind": "chunk",
                    "state": "tcache",
                    "chunk": Address(0x405290),
                    "size": 0x30,
                    "place": "tcache[1] 1/2",
                },
            },
        ),
        (
            TextUsed("it's {text}"),
            'the pointer is text, "it\'s {text}": a string was written over it',
            {"kind": "text_used", "text": "it's {text}"},
        ),
        (
            ThresholdHasRisen(0x41000),
            "mmap_threshold has risen to 0x41000, as it does when such a block is freed",
            {"kind": "threshold_has_risen", "threshold": 0x41000},
        ),
        (
            TrapBehind((0xCC,), "int3"),
            "the byte before the program counter is 0xcc, and not gdb's",
            {"kind": "trap_bytes", "code": [Address(0xCC)], "name": "int3"},
        ),
    ],
)
def test_a_fact_is_a_sentence_for_people_and_a_record_for_programs(fact, sentence, record):
    assert (said(fact), fact.record()) == (sentence, record)
    assert json.dumps(fact.record())


def test_every_fill_that_analysis_knows_has_its_words():
    assert set(pointers.MARKS) == fills.MARKS
    assert set(pointers.FILLS) == fills.FILLS
    assert set(pointers.JEMALLOC_FILLS) == fills.JEMALLOC_FILLS


def clauses_made():
    """Yield (name, the names of its values) of each clause that the readers and analysis make."""
    paths = [path for room in ("process", "glibc", "analysis") for path in sorted((PACKAGE / room).rglob("*.py"))]
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("clause", "called"):
                choice = node.args[0]
                names = [choice.body, choice.orelse] if isinstance(choice, ast.IfExp) else [choice]
                for name in names if not isinstance(choice, ast.Name) else ():
                    yield ast.literal_eval(name), {each.arg for each in node.keywords}


def test_each_clause_has_its_words_and_the_values_that_these_name():
    made = list(clauses_made())
    assert {name for name, _ in made} == set(BY_NAME) and len(BY_NAME) > 140
    for name, values in made:
        named = {field for _, field, _, _ in string.Formatter().parse(BY_NAME[name]) if field is not None} - {"nth"}
        assert named <= values, name


@pytest.mark.parametrize(
    ("must", "words"),
    [
        (exactly(0x91), "0x91"),
        (number(3), "3"),
        (number(0, clause("as_hp_pagesize_is")), "0, as hp_pagesize is"),
        (Must(clause("one_size", size=0x20), example=0x20), "0x20 (flags aside)"),
        (Must(), ""),
    ],
)
def test_what_a_field_must_hold_is_said(must, words):
    assert said(must) == words


@pytest.mark.parametrize(("after", "words"), [(1, "the 1st"), (2, "the 2nd"), (11, "the 11th"), (23, "the 23rd")])
def test_a_call_is_counted_in_english(after, words):
    fact = clause("comes_call_number_from_now", take="malloc(0x18)", after=after)
    assert said(fact) == f"{words} malloc(0x18) from now"
