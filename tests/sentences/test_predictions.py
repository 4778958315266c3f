"""What is foretold of calls, in words."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from gdbheap.analysis.prediction import outcome
from gdbheap.analysis.prediction.outcome import (
    Assumed,
    CannotBeTold,
    DiesWith,
    HitsUnmapped,
    InsideCall,
    NeverEnds,
    NotCompared,
    ReleaseNotCertain,
    ReturnsNull,
    source_of,
)
from gdbheap.sentences.facts import predictions
from gdbheap.sentences.facts.predictions import source_text
from gdbheap.sentences.facts.said import said

MODEL = Path(predictions.__file__).parents[2] / "model"


def steps_of_the_model() -> set[str]:
    """Return the name of each step that the model writes down."""
    calls = [
        node
        for path in MODEL.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "step"
    ]
    return {
        each.value
        for call in calls
        for each in ast.walk(call.args[0])
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    }


def test_every_step_that_tells_a_source_has_its_words():
    assert set(predictions._SHORT) == set(outcome.TAKEN)
    assert set(predictions._SHORT_FREE) == set(outcome.FREED)
    assert set(predictions._GROWTH) == set(outcome.GROWTH)
    assert set(predictions.ASSUMPTIONS) == set(outcome.ASSUMED)
    assert steps_of_the_model() == set(predictions.STEPS) | set(outcome.ASSUMED)


@pytest.mark.parametrize(
    ("steps", "freeing", "text"),
    [
        ([("tcache", 3, 0x10)], False, "tcache[3]"),
        ([("top", 0x20)], False, "top"),
        ([("brk", 0x21000), ("top", 0x20)], False, "top, after brk + 0x21000"),
        ([("tcache", 3, 0x10), ("copy",), ("to tcache", 2)], False, "copy to tcache[3]"),
        ([("to fastbin", 1)], True, "to fastbin[1]"),
        ([("consolidate",), ("to top", 0x10)], True, "to top"),
        ([("threshold", 0x20000)], False, ""),
    ],
)
def test_where_a_block_comes_from_or_goes_to(steps, freeing, text):
    assert source_text(source_of(steps, freeing)) == text


@pytest.mark.parametrize(
    ("fact", "sentence"),
    [
        (DiesWith("free(): invalid pointer", False), "free(): invalid pointer"),
        (DiesWith("nclears >= 3", True), "assertion failed: nclears >= 3"),
        (ReturnsNull("ENOMEM"), "NULL: ENOMEM"),
        (HitsUnmapped(0x10), "SIGSEGV at 0x10"),
        (CannotBeTold("the break is not known"), "cannot be told: the break is not known"),
        (CannotBeTold(), "cannot be told: the releases of glibc that this may be differ here"),
        (NeverEnds("a free list does not end"), "would not end: a free list does not end"),
        (InsideCall(7, "free"), "thread 7 is inside free(): the heap may be in the middle of a change"),
        (InsideCall(), "a thread holds an arena's mutex: the heap may be in the middle of a change"),
        (Assumed("malloc 24", None), "malloc 24: it is assumed that the kernel grants the memory"),
        (
            ReleaseNotCertain("", ("2.31", "2.36")),
            "glibc release unknown: predictions are shown only where 2.31 and 2.36 agree",
        ),
        (NotCompared("2.37"), "glibc 2.37 is modelled from its changes: it was not compared call by call"),
    ],
)
def test_what_a_call_comes_to_is_said(fact, sentence):
    assert said(fact) == sentence
