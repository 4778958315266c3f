"""Every fact that analysis can state: its published kind, its phrase, its record."""

from __future__ import annotations

import importlib
import json
import re
import string
from dataclasses import fields
from pathlib import Path

import pytest

import gdbheap
from gdbheap.analysis.crashes import fills
from gdbheap.analysis.facts.fact import Fact
from gdbheap.analysis.facts.memory import ThresholdHasRisen
from gdbheap.analysis.facts.places import InChunk
from gdbheap.analysis.facts.pointers import ChunkIsThere, TextUsed
from gdbheap.analysis.facts.signals import TrapBehind
from gdbheap.process.address import Address
from gdbheap.sentences.facts import pointers
from gdbheap.sentences.facts.said import PHRASES, said

PACKAGE = Path(gdbheap.__file__).parent
for path in sorted((PACKAGE / "analysis").rglob("*.py")):
    if "(Fact):" in path.read_text():
        importlib.import_module(".".join(("gdbheap", *path.relative_to(PACKAGE).with_suffix("").parts)))
KINDS = sorted(Fact.__subclasses__(), key=lambda each: each.__name__)


def test_each_kind_of_fact_has_a_published_name_of_its_own():
    names = [each.kind for each in KINDS]
    assert len(KINDS) > 150 and all(re.fullmatch(r"[a-z]\w*", name) for name in names)
    assert sorted(names) == sorted(set(names))


def test_each_kind_of_fact_has_a_phrase():
    assert set(PHRASES) == set(KINDS)


@pytest.mark.parametrize("kind", [each for each in KINDS if isinstance(PHRASES[each], str)])
def test_a_phrase_names_the_facts_own_fields(kind):
    named = {name for _, name, _, _ in string.Formatter().parse(PHRASES[kind]) if name is not None}
    assert named <= {each.name for each in fields(kind)}


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
