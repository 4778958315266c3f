"""Random bytes over every field of malloc's, in the memory of a real process: what malloc relies on is told at its place, nothing breaks.

GDBHEAP_DEEP=1 breaks thousands of fields where CI breaks a few hundred; both print how many of each kind were told.
"""

from __future__ import annotations

import os
import platform
import random
from collections import Counter
from dataclasses import dataclass, replace

import pytest
from corrupted_fields import MAXIMA, SETTINGS, Field, excuse, fields
from gdb_runs import kernel_core
from programs import build, running

from gdbheap.analysis.corruption.check import check
from gdbheap.elf.core_file import open_core
from gdbheap.elf.debug_file import DebugFiles
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.malloc.heap_view import HeapView
from gdbheap.malloc.layout import Layout
from gdbheap.malloc.locate.make_layout import make_layout
from gdbheap.malloc.read_heap import read_heap
from gdbheap.process.process import Process

CASES = 4000 if os.environ.get("GDBHEAP_DEEP") else 250
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
    assert check(process, view).findings == ()
    kinds: dict[str, list[Field]] = {}
    for field in fields(process, view):
        kinds.setdefault(field.kind, []).append(field)
    return Victim(process, layout, view, kinds)


class Overlaid:
    """Memory with a few bytes changed."""

    def __init__(self, memory, where, data):
        self._memory, self._where, self._data = memory, where, data

    def read(self, address, size):
        data = bytearray(self._memory.read(address, size))
        self._change(address, data)
        return bytes(data)

    def read_into(self, address, buffer):
        self._memory.read_into(address, buffer)
        self._change(address, buffer)

    def _change(self, address, buffer):
        for index, byte in enumerate(self._data):
            at = self._where + index - address
            if 0 <= at < len(buffer):
                buffer[at] = byte


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


def told(victim: Victim, field: Field, new: int) -> str:
    """Return "at its place" where a finding names the field or its owner, "elsewhere" where only others are named, "" for no finding."""
    memory = Overlaid(victim.process.memory, field.where, new.to_bytes(field.size, "little"))
    process = replace(victim.process, memory=memory)
    findings = check(process, read_heap(process, victim.layout)).findings
    named = {place for each in findings for place in (each.address, each.where, *each.suspects)}
    if {field.where, field.owner} & named:
        return "at its place"
    return "elsewhere" if findings else ""


def test_what_malloc_relies_on_cannot_break_unseen(victim):
    choose = random.Random(20260 + victim.process.word)
    results: Counter[tuple[str, str]] = Counter()
    excuses: Counter[tuple[str, str]] = Counter()
    unseen = []
    # What malloc relies on three times as often as what may hold anything.
    kinds = [kind for kind in sorted(victim.kinds) for _ in range(1 if is_setting(kind) else 3)]
    for number in range(CASES):
        # Every kind in its turn: random choice alone would hardly ever meet the few of an arena among the many of its bins.
        field = choose.choice(victim.kinds[kinds[number % len(kinds)]])
        old = int.from_bytes(victim.process.memory.read(field.where, field.size), "little")
        new = broken(victim.view, old, field.size, choose)
        if new == old:
            continue
        seen = told(victim, field, new)
        why = "" if seen else excuse(victim.view, field, old, new)
        if why:
            excuses[field.kind, why] += 1
        elif not seen:
            unseen.append((field, hex(old), hex(new)))
        results[field.kind, seen or ("undetectable" if why else "unseen")] += 1
    print(table(victim.process.word, results, excuses))
    assert unseen == []
    assert at_place(results) >= 0.97


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
