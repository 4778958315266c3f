"""Random bytes over every field of malloc's, in the memory of a real process: what malloc relies on is told at its
place, nothing breaks.

GDBHEAP_DEEP=1 breaks thousands of fields where CI breaks a few hundred, from the seed in GDBHEAP_SEED or a fresh
one; both print the seed and how many of each kind were told.
"""

from __future__ import annotations

import itertools
import os
import platform
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from gdbheap.analysis.invariants.check import find_violations
from gdbheap.elf.core_file import open_core
from gdbheap.elf.debug_file import DebugFiles
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.layout import Layout
from gdbheap.glibc.locate.make_layout import make_layout
from gdbheap.glibc.read_heap import read_heap
from gdbheap.process.process import Process
from gdbheap.sentences.undetectable import UNDETECTABLE
from support.corrupted_fields import MAXIMA, SETTINGS, Field, excuse, fields
from support.gdb_runs import kernel_core
from support.programs import build, running

DEEP = bool(os.environ.get("GDBHEAP_DEEP"))
CASES, CASES_OF_SEVERAL = (4000, 400) if DEEP else (250, 25)
SEED = int(os.environ.get("GDBHEAP_SEED", "0")) or random.SystemRandom().randrange(1 << 32) if DEEP else 20260
GLIBC = platform.libc_ver()[1]


@dataclass
class Victim:
    """A core of a process whose heap has everything, and what is known of it while it is whole."""

    process: Process
    layout: Layout
    view: HeapView
    kinds: dict[str, list[Field]]


@pytest.fixture(scope="module", params=[(), ("-m32",)], ids=["64", "32"])
def victim(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("victim")
    with running(build("everything", *request.param), directory=directory) as program:
        core = kernel_core(program, directory)
    process = open_core(str(core)).process()
    layout = make_layout(process, DebugFiles(DebugSearch(("/usr/lib/debug",), None), None).symbols_of)
    view = read_heap(process, layout)
    assert find_violations(process, view).findings == ()
    kinds: dict[str, list[Field]] = {}
    for field in fields(process, view):
        kinds.setdefault(field.kind, []).append(field)
    return Victim(process, layout, view, kinds)


@dataclass(frozen=True)
class Damage:
    """A field overwritten: what it held, and what it holds now."""

    field: Field
    old: int
    new: int

    def __str__(self):
        return f"{self.field}: {self.old:#x} -> {self.new:#x}"


class Overlaid:
    """Memory with a few bytes changed."""

    def __init__(self, memory, damages):
        self._memory = memory
        self._bytes = {
            each.field.where + index: byte
            for each in damages
            for index, byte in enumerate(each.new.to_bytes(each.field.size, "little"))
        }

    def read(self, address, size):
        data = bytearray(self._memory.read(address, size))
        self._change(address, data)
        return bytes(data)

    def read_into(self, address, buffer):
        self._memory.read_into(address, buffer)
        self._change(address, buffer)

    def _change(self, address, buffer):
        for where, byte in self._bytes.items():
            if 0 <= where - address < len(buffer):
                buffer[where - address] = byte


def broken(view: HeapView, old: int, size: int, choose: random.Random) -> int:
    """Return the field's value overwritten in one of the ways of real bugs."""
    bits = 8 * size
    chunk = int(choose.choice(view.table.address))
    at = 8 * choose.randrange(size)
    new = choose.choice(
        (
            old ^ 1 << choose.randrange(bits),
            old ^ 1 << choose.randrange(bits),
            old & ~(0xFF << at) | choose.randrange(256) << at,
            int.from_bytes(b"overflow"[:size], "little"),
            0,
            -1,
            old + choose.choice((-1, 1)) * choose.choice((1, 8, 16, 32, 0x100, 0x1000)),
            chunk,
            chunk + view.layout.header,
            choose.choice(view.arenas).address,
            choose.getrandbits(bits),
        )
    )
    return new & ((1 << bits) - 1)


def damages(victim: Victim, choose: random.Random) -> Iterator[Damage]:
    """Yield one field after another overwritten, for ever. What malloc relies on comes three times as often as what
    may hold anything."""
    kinds = [kind for kind in sorted(victim.kinds) for _ in range(1 if is_setting(kind) else 3)]
    choose.shuffle(kinds)
    # Every kind in its turn: random choice alone would hardly ever meet the few of an arena among the many of its bins.
    for kind in itertools.cycle(kinds):
        field = choose.choice(victim.kinds[kind])
        old = int.from_bytes(victim.process.memory.read(field.where, field.size), "little")
        new = broken(victim.view, old, field.size, choose)
        if new != old:
            yield Damage(field, old, new)


def named(victim: Victim, *broken: Damage) -> set[int]:
    """Return the addresses that `heap check` names with these fields overwritten."""
    process = replace(victim.process, memory=Overlaid(victim.process.memory, broken))
    findings = find_violations(process, read_heap(process, victim.layout)).findings
    return {place for each in findings for place in (each.address, each.where, *each.suspects)}


def is_told(each: Damage, places: set[int]) -> bool:
    """Whether the field or its owner is named."""
    return bool({each.field.where, each.field.owner} & places)


def test_what_malloc_relies_on_cannot_break_unseen(victim):
    results: Counter[tuple[str, str]] = Counter()
    excuses: Counter[tuple[str, str]] = Counter()
    unseen = []
    for each in itertools.islice(damages(victim, random.Random(SEED + victim.process.pointer_size)), CASES):
        places = named(victim, each)
        how = "at its place" if is_told(each, places) else "elsewhere" if places else "unseen"
        why = "" if places else excuse(victim.view, each.field, each.old, each.new)
        if why:
            excuses[each.field.kind, why] += 1
        elif not places:
            unseen.append(str(each))
        results[each.field.kind, "undetectable" if why else how] += 1
    print(f"GDBHEAP_SEED={SEED}", table(victim.process.pointer_size, results, excuses), sep="\n")
    assert unseen == []
    assert {why for _, why in excuses} <= {why for _, why in UNDETECTABLE}
    assert at_place(results) >= 0.97


def test_several_at_once_are_told_as_each_alone(victim):
    """One fault does not hide the others: what is told of a field that is broken alone is told beside one to four
    others that are."""
    choose = random.Random(SEED + 100 + victim.process.pointer_size)
    endless = damages(victim, choose)
    alone = together = 0
    hidden = []
    for _ in range(CASES_OF_SEVERAL):
        several = list(itertools.islice(endless, choose.randint(2, 5)))
        found = [each for each in several if is_told(each, named(victim, each))]
        places = named(victim, *several)
        alone += len(found)
        together += sum(is_told(each, places) for each in found)
        hidden += [(str(each), [str(other) for other in several]) for each in found if not is_told(each, places)]
    print(
        f"GDBHEAP_SEED={SEED}: glibc {GLIBC}, {8 * victim.process.pointer_size} bit: {together} of {alone} told "
        "beside others"
    )
    print(*hidden, sep="\n")
    assert together / alone >= 0.9


def test_an_arena_that_lost_its_top_and_its_ring_is_no_unused_heap(victim):
    main = victim.view.arenas[0]
    struct = victim.layout.malloc_state
    broken = [
        Damage(
            Field(name, name, main.address + struct.offset(name), victim.process.pointer_size, main.address), value, 0
        )
        for name, value in (("top", main.value["top"]), ("next", main.value["next"]))
    ]
    places = named(victim, *broken)
    assert [is_told(each, places) for each in broken] == [True, True]


def is_setting(kind):
    return kind.startswith("mp_.") and kind.partition(".")[2] in SETTINGS | MAXIMA


def at_place(results):
    good = sum(count for (_, how), count in results.items() if how == "at its place")
    return good / sum(count for (_, how), count in results.items() if how != "undetectable")


def table(word, results, excuses):
    """Return the counts by kind of field as text."""
    columns = ("at its place", "elsewhere", "unseen", "undetectable")
    total = {how: sum(count for (_, each), count in results.items() if each == how) for how in columns}
    lines = [f"glibc {GLIBC}, {8 * word} bit: {sum(total.values())} fields broken; {total}"]
    for kind in sorted({kind for kind, _ in results}):
        lines.append(f"  {kind:36}" + "".join(f"{results[kind, how]:8}" for how in columns))
    lines += [f"  {kind}: {why} ({count})" for (kind, why), count in sorted(excuses.items())]
    return "\n".join(lines)
