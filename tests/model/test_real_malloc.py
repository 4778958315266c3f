"""The model against the real malloc of this system: every result, every byte of every heap, every arena and parameter.

GDBHEAP_DEEP=N performs N fresh traces of each flavour and word size (1: 400); GDBHEAP_SEED sets their first seed.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gdbheap.model.trace import parse
from gdbheap.model.traits import traits
from support.before import libc_version
from support.cases import random_case, shrink, tunable_sets
from support.paths import ARENAS, LONG, PATHS
from support.replay import Disagreement
from support.this_machine import POINTER_SIZES
from support.traces import FLAVOURS, Builder, Triple

FIXED_SEED, FIXED_TRACES = 20260, 18
_DEEP = int(os.environ.get("GDBHEAP_DEEP", "0"))
_TRACES = {0: FIXED_TRACES, 1: 400}.get(_DEEP, _DEEP)
_SEED = int(os.environ.get("GDBHEAP_SEED", "0")) if _DEEP else FIXED_SEED
_NAMES = [each.name for each in FLAVOURS]
_number = st.integers(0, 65535)


@pytest.mark.parametrize("word", POINTER_SIZES)
@pytest.mark.parametrize("flavour", _NAMES)
def test_random_traces_agree(compare, word, flavour):
    shape = traits(libc_version(), word)
    for index in range(_TRACES):
        case = random_case(_SEED, flavour, shape, index)

        def perform(triples: list[Triple], case=case) -> None:
            compare(word, case.tunables, case.trace(shape, triples))

        try:
            perform(case.triples)
        except Disagreement:
            raise shrink(perform, case.triples, Disagreement, f"seed {case.seed}") from None


@pytest.mark.parametrize("word", POINTER_SIZES)
def test_traces_of_hypothesis_agree(compare, word):
    shape = traits(libc_version(), word)

    @settings(
        max_examples=_TRACES * 2,
        deadline=None,
        database=None,
        derandomize=not _DEEP,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.sampled_from(FLAVOURS),
        st.sampled_from(tunable_sets(shape)),
        st.lists(st.tuples(_number, _number, _number), max_size=120),
    )
    def agree(flavour, tunables, triples):
        compare(word, tunables, Builder(shape, flavour).build(triples))

    agree()


@pytest.mark.parametrize(
    ("name", "word"), [(name, word) for name, path in PATHS.items() for word in path.words if word in POINTER_SIZES]
)
def test_seldom_taken_paths_agree(compare, word, name):
    path = PATHS[name]
    compare(word, dict(path.tunables), path.trace(word))


@pytest.mark.parametrize("word", POINTER_SIZES)
@pytest.mark.parametrize("name", LONG)
def test_long_churns_agree(compare, word, name):
    outcome = compare(word, {}, LONG[name])
    assert outcome.end == "exit"


@pytest.mark.parametrize("word", POINTER_SIZES)
@pytest.mark.parametrize("arena_max", [1, 2, 3])
def test_shared_arenas_agree(compare, word, arena_max):
    assert compare(word, {"arena_max": arena_max}, parse(ARENAS)).end == "exit"


def test_trimming_a_top_of_the_least_size_moves_the_break_up(compare):
    """A slip of glibc's that the model shares; in 32 bit no top is that small."""
    shape = traits(libc_version(), 8)
    # the first call, be it for the tcache, gets the heap: its chunk and top_pad, in whole pages
    heap, owned = (0x31000, 0) if shape.tcache_lazy else (0x21000, shape.tcache_size + 16)
    rest = heap - owned - 0x10010 - 32
    assert (
        compare(8, {}, parse(f"m 0 65536\nm 1 {rest - 8 - 0x8000}\nm 3 {0x8000 - 8}\nk\nt 262144\nk\nm 2 24\n")).end
        == "exit"
    )
