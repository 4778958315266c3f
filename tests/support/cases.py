"""Random traces by number: which settings they run under, how long they are, and how a failing one is made smaller."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from gdbheap.model.trace import Operation
from gdbheap.model.traits import Traits
from support.traces import FLAVOURS, Builder, Flavour, Triple


def tunable_sets(traits: Traits) -> list[dict[str, int]]:
    """Return the settings that traces run under; the default comes first."""
    sets: list[dict[str, int]] = [
        {},
        {},
        {"tcache_count": 0},
        {"tcache_count": 2},
        {"mxfast": 0},
        {"tcache_max": 100},
        {"arena_max": 2},
    ]
    if traits.caches_unsorted:
        sets.append({"tcache_unsorted_limit": 3})
    if traits.tcache_large_bins:
        sets += [{"tcache_max": 4000000}, {"tcache_max": 4000000, "tcache_count": 3}]
    return sets


@dataclass(frozen=True)
class Case:
    """A random trace as numbers, so that it can be made smaller; `seed` makes it again."""

    seed: str
    flavour: Flavour
    tunables: dict[str, int]
    triples: list[Triple]

    def trace(self, traits: Traits, triples: list[Triple] | None = None) -> list[Operation]:
        """Return its operations for a malloc with `traits`, or those of other triples."""
        return Builder(traits, self.flavour).build(self.triples if triples is None else triples)


def random_case(seed: int, name: str, traits: Traits, index: int) -> Case:
    """Return case number `index` of the flavour `name` for a malloc with `traits`."""
    text = f"{seed} {name} {traits.pointer_size} {index}"
    choose = random.Random(text)
    tunables = choose.choice(tunable_sets(traits))
    length = choose.choice((20, 60, 150, 300))
    triples = [(choose.randrange(65536), choose.randrange(65536), choose.randrange(65536)) for _ in range(length)]
    return Case(text, next(each for each in FLAVOURS if each.name == name), tunables, triples)


def shrink(
    perform: Callable[[list[Triple]], None], triples: list[Triple], kind: type[Exception], note: str
) -> Exception:
    """Return the failure of `kind` of a trace from which nothing can be taken any more; `note` joins its text."""
    failure: Exception | None = None
    step = len(triples)
    while step:
        start = 0
        while start < len(triples):
            shorter = triples[:start] + triples[start + step :]
            try:
                perform(shorter)
                start += step
            except kind as error:
                failure, triples = error, shorter
        step //= 2
    return kind(f"{note}: {failure or 'fails no more'}")
