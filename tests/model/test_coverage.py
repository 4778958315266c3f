"""The fixed traces of every ordinary run (test_real_malloc.py) go every step that this glibc's malloc can go, and show
every trait of it.

Here the model plays them alone; that it is right about each, test_real_malloc.py sees.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

import pytest

from gdbheap.model.errors import ModelError
from gdbheap.model.image import process_of
from gdbheap.model.trace import Operation, Player, parse
from gdbheap.model.traits import Traits, traits
from gdbheap.sentences.facts.predictions import STEPS
from support.before import libc_version
from support.cases import random_case
from support.paths import ARENAS, PATHS
from support.traces import FLAVOURS
from tests.model.test_real_malloc import FIXED_SEED, FIXED_TRACES

WORDS = (8, 4)
# What a malloc that has this trait, or (False) has it not, never does.
IMPOSSIBLE = {
    ("has_fastbins", False): {"fastbin", "to fastbin", "consolidate"},
    ("realloc_slack", False): {"as it is"},
    ("caches_unsorted", False): {"unsorted to tcache"},
    # a page of slack is looked at before the pages are counted
    ("realloc_mmapped_slack", True): {"same pages"},
}
# Traits that show only where another one is there.
ONLY_WITH = {
    "calloc_clears_request": "calloc_uses_tcache",
    "memalign_small_tail": "memalign_merges",
    "realloc_mmapped_slack": "realloc_slack",
    "max_fast_unanswered": "has_fastbins",
    "tcache_max_unmet": "tcache_max_past",
    "tcache_large_fit": "tcache_large_bins",
    "tcache_large_mmapped": "tcache_large_bins",
    "tcache_size_as_request": "tcache_lazy",
}
# What a trait that is no yes or no is changed to, to see whether that shows.
OTHER_NUMBER = {"tcache_large_bins": (12, 0), "tcache_count": (16, 7), "mmapped_overhead_words": (2, 0)}
NAMES = [field.name for field in dataclasses.fields(Traits) if field.name not in ("name", "pointer_size")]


def fixed_traces(shape: Traits) -> Iterator[tuple[str, dict[str, int], list[Operation]]]:
    """Yield (name, tunables, trace) of all that an ordinary run performs, save what hypothesis makes up."""
    for name, path in PATHS.items():
        if shape.pointer_size in path.words:
            yield name, dict(path.tunables), path.trace(shape.pointer_size)
    yield "shared arenas", {"arena_max": 2}, parse(ARENAS)
    for index in range(FIXED_TRACES):
        for flavour in FLAVOURS:
            case = random_case(FIXED_SEED, flavour.name, shape, index)
            yield case.seed, case.tunables, case.trace(shape)


def play(shape: Traits, tunables: dict[str, int], trace: list[Operation]) -> tuple[object, set[str]]:
    """Return all that can be seen of a trace's end (results, break, memory, how it ended), and the steps that were
    taken."""
    player = Player(process_of(shape, tunables))
    machine = player.process.machine
    steps: set[str] = set()
    end = "exit"
    for operation in trace:
        if operation.what == "k":
            continue
        try:
            player.perform(operation)
        except ModelError as error:
            end = repr(error)
        steps |= {str(step[0]) for step in machine.steps}
        if end != "exit":
            break
    memory = machine.memory
    pages = {number: data for number in memory.touched() if any(data := memory.page(number) or b"")}
    return (player.results, end, machine.kernel.brk, pages), steps


@functools.cache
def sheet(pointer_size: int) -> tuple[list[tuple[dict[str, int], list[Operation], object]], set[str]]:
    """Return (tunables, trace, end) of the fixed traces, up to where all steps are taken, and those steps."""
    shape = traits(libc_version(), pointer_size)
    played, taken = [], set()
    for _, tunables, trace in fixed_traces(shape):
        end, steps = play(shape, tunables, trace)
        taken |= steps
        played.append((tunables, trace, end))
        if taken >= possible(shape):
            break
    return played, taken


def possible(shape: Traits) -> set[str]:
    return set(STEPS).difference(
        *(steps for (name, value), steps in IMPOSSIBLE.items() if getattr(shape, name) is value)
    )


@pytest.mark.parametrize("word", WORDS)
def test_every_step_is_taken(word):
    assert sheet(word)[1] == possible(traits(libc_version(), word))


def changed(shape: Traits, name: str) -> Traits:
    """Return the traits with one of them as it is not."""
    value = getattr(shape, name)
    if isinstance(value, bool):
        return dataclasses.replace(shape, **{name: not value})
    first, second = OTHER_NUMBER[name]
    return dataclasses.replace(shape, **{name: second if value == first else first})


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("name", NAMES)
def test_every_trait_shows(word, name):
    shape = traits(libc_version(), word)
    other = changed(shape, name)
    shows = any(play(other, tunables, trace)[0] != end for tunables, trace, end in sheet(word)[0])
    assert shows is bool(getattr(shape, ONLY_WITH.get(name, ""), True))
