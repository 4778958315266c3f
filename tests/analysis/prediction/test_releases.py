"""heap predict where the release is one of several, unknown, old, or built without tcache: what is predicted, and
how sure that is called."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gdbheap.analysis.prediction.calls import Earlier, PredictedCall
from gdbheap.analysis.prediction.predict import predict
from gdbheap.errors import HeapError
from gdbheap.glibc.layout import DWARF
from gdbheap.glibc.locate import builtin_structs as built_in
from gdbheap.glibc.locate.make_layout import make_layout
from gdbheap.glibc.read_heap import read_heap
from gdbheap.process.symbols import ModuleSymbols
from gdbheap.sentences.facts.predictions import source_text
from gdbheap.sentences.facts.said import said
from support.made_libc import HEAP, TOP, MadeProcess

STATES = {
    "2.27": (True, True),
    "2.28": (True, True),
    "2.36": (True, True),
    "2.42": (True, True),
    "2.44": (False, False),
}
SHAPES = {
    "2.27": ({"tcache": "tcache_bins"}, "char"),
    "2.28": ({"tcache": "tcache_bins"}, "u16"),
    "2.36": ({"tcache": "tcache_bins", "hugetlb": True}, "u16"),
    "2.36 without tcache": ({"tcache": "", "hugetlb": True}, None),
    "2.42": ({"tcache": "tcache_small_bins", "hugetlb": True}, "slots"),
    "2.44": ({"tcache": "tcache_small_bins", "hugetlb": True, "thp_mode": True, "unsorted_limit": False}, "slots"),
}
MALLOC = PredictedCall("malloc", (24,), "malloc 24")
FREE = PredictedCall("free", (Earlier(1),), "free @1")


def asked(
    shape: str, version: str, calls: list[PredictedCall], safe_linking: bool
) -> tuple[list[tuple[object, ...]], list[str]]:
    """Return what is predicted of calls in a process of that shape whose libc calls itself `version`, and the notes."""
    par, count = SHAPES[shape]
    image = MadeProcess(
        8,
        built_in.malloc_state(8, 16, *STATES[shape.split()[0]]),
        built_in.malloc_par(8, **par),
        built_in.tcache_perthread_struct(8, count) if count else None,
    )
    behind = image.first + (((image.tcache.size + 8 + 15) & -16) if image.tcache else 0)
    image.put(image.heap, behind - HEAP + 8, TOP - behind | 1)
    if count == "slots":
        slots = image.tcache["num_slots"] if image.tcache else None
        assert slots is not None
        at = image.first - HEAP + 16
        image.heap[at : at + 2 * 76] = (16).to_bytes(2, "little") * 76
    texts = frozenset(["free(): double free detected in tcache 2"] if count else [])
    process = image.process()
    layout = make_layout(process, lambda module: ModuleSymbols(version=version, texts=texts))
    layout = replace(layout, safe_linking=safe_linking, sources={**layout.sources, "malloc_par": DWARF})
    predictions, notes = predict(process, read_heap(process, layout), 100, {}, calls)
    outcomes = ["" if each.outcome is None else said(each.outcome) for each in predictions]
    results = [(each.result, source_text(each.source), outcome) for each, outcome in zip(predictions, outcomes)]
    return results, [said(each) for each in notes]


def again(first: int) -> list[tuple[object, ...]]:
    """What malloc, free of it and malloc again give where a tcache takes the block."""
    return [(first, "top", ""), (None, "to tcache[0]", ""), (first, "tcache[0]", "")]


@pytest.mark.parametrize(("shape", "safe_linking"), [("2.27", False), ("2.28", False), ("2.36", True), ("2.42", True)])
def test_a_release_that_says_which_it_is(shape, safe_linking):
    said, _ = asked(shape, shape, [MALLOC, FREE, MALLOC], safe_linking)
    assert said == again(TOP + 16)


def test_a_second_free_is_told_only_where_all_builds_of_the_release_see_it():
    """2.27 came out without the key that tells it; its stable branch, which Ubuntu has, has it."""
    said, notes = asked("2.27", "2.27", [MALLOC, FREE, FREE], False)
    assert said[2] == (None, "", "cannot be told: the releases of glibc that this may be differ here")
    assert notes[0] == "the build of glibc 2.27 is unknown: predictions are shown only where 2.27 and 2.27.0 agree"
    said, notes = asked("2.28", "2.28", [MALLOC, FREE, FREE], False)
    assert said[2] == (None, "", "free(): double free detected in tcache 2")
    assert not any("compared" in note for note in notes)
    said, notes = asked("2.36", "2.37", [MALLOC, FREE, FREE], True)
    assert said[2] == (None, "", "free(): double free detected in tcache 2")
    assert notes[0] == "glibc 2.37 is modelled from its changes: it was not compared call by call"


def test_an_unknown_release_is_called_that():
    several = ", ".join(f"2.3{minor}" for minor in range(5, 10)) + ", 2.40 and 2.41"
    said, notes = asked("2.36", "", [MALLOC], True)
    assert said == again(TOP + 16)[:1]
    assert notes[0] == f"glibc release unknown: predictions are shown only where {several} agree"
    said, notes = asked("2.42", "", [MALLOC], True)
    assert said == again(TOP + 16)[:1]
    assert notes[0] == "glibc release unknown: predictions are shown only where 2.42 and 2.42.0 agree"
    said, notes = asked("2.44", "", [MALLOC], True)
    assert said == again(TOP + 16)[:1]
    assert notes[0] == "glibc release unknown: 2.44 is a guess, the only release the model knows with this layout"


def test_a_release_that_the_model_does_not_know_is_refused():
    with pytest.raises(HeapError, match=r"^cannot predict for glibc 2\.45: the model knows 2\.27, "):
        asked("2.44", "2.45", [MALLOC], True)


def test_without_tcache_blocks_go_to_fastbins_and_that_is_said():
    said, notes = asked("2.36 without tcache", "2.36", [MALLOC, FREE, MALLOC], True)
    assert said == [(TOP + 16, "top", ""), (None, "to fastbin[0]", ""), (TOP + 16, "fastbin[0]", "")]
    assert "this malloc was built without tcache: that is modelled, but was not compared call by call" in notes
