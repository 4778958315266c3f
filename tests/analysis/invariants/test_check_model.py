"""find_violations() on heaps that the model makes: whole ones have none, and a broken byte that malloc relies on is
found where it is."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from gdbheap.analysis.invariants.check import find_violations
from gdbheap.analysis.invariants.finding import Finding
from gdbheap.glibc.chunk_table import State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.read_heap import read_heap
from gdbheap.glibc.sizes import min_large_size
from gdbheap.machine.machines import machine_of_size
from gdbheap.model.image import image, new_process
from gdbheap.process.memory import ImageMemory
from gdbheap.process.process import Process
from tests.glibc.test_model_images import CASES, layout_of, play, process_of

FLIPS = 260


@CASES
@pytest.mark.parametrize("seed", range(4))
def test_a_whole_heap_has_no_finding(name, word, seed):
    model = new_process(name, word)
    play(model, random.Random(seed), 700)
    picture = image(model)
    process = process_of(picture)
    found = find_violations(process, read_heap(process, layout_of(picture)))
    assert found.findings == ()


@dataclass(frozen=True)
class Target:
    """A word (or less) that malloc relies on: `owner` is the chunk, arena or tcache whose it is."""

    where: int
    size: int
    owner: int
    what: str


def targets(view: HeapView) -> Iterator[Target]:
    """Yield every field of this heap that malloc relies on: an exact statement of what a check must watch."""
    layout = view.layout
    pointer_size, header = layout.pointer_size, layout.header
    large = min_large_size(pointer_size, layout.alignment)
    before = None
    for chunk in view.table:
        if chunk.is_mmapped or chunk.state is State.FENCEPOST:
            before = None
            continue
        yield Target(chunk.address + pointer_size, pointer_size, chunk.address, f"size of {chunk.state.label}")
        if before is not None and before.state in (State.UNSORTED, State.SMALL, State.LARGE):
            yield Target(chunk.address, pointer_size, chunk.address, "prev_size")
        names = {
            State.TCACHE: ("next", "key"),
            State.FASTBIN: ("fd",),
            State.UNSORTED: ("fd", "bk", "fd_nextsize", "bk_nextsize")[: 4 if chunk.size >= large else 2],
            State.SMALL: ("fd", "bk"),
            State.LARGE: ("fd", "bk", "fd_nextsize", "bk_nextsize"),
        }.get(chunk.state, ())
        for index, name in enumerate(names):
            yield Target(
                chunk.address + header + index * pointer_size,
                pointer_size,
                chunk.address,
                f"{name} of {chunk.state.label}",
            )
        before = chunk
    for each in view.bins:
        if each.arena is not None and each.kind != "fastbin":
            arena = view.arenas[each.arena]
            slots = arena.address + layout.malloc_state.offset("bins") + 2 * pointer_size * (each.index - 1)
            for index, name in enumerate(("fd", "bk")):
                yield Target(slots + index * pointer_size, pointer_size, arena.address, f"{name} of a bin")


def broken(data: bytes, size: int, choose: random.Random) -> tuple[bytes, str]:
    """Return the field overwritten in one of the ways of real bugs, and the way's name."""
    value = int.from_bytes(data, "little")
    way = choose.choice(("bit", "bit", "byte", "text", "zero"))
    if way == "bit":
        value ^= 1 << choose.randrange(8 * size)
    elif way == "byte":
        at = 8 * choose.randrange(size)
        value = value & ~(0xFF << at) | choose.randrange(256) << at
    elif way == "text":
        value = int.from_bytes(b"overflow"[:size], "little")
    else:
        value = 0
    return value.to_bytes(size, "little"), way


class Overlaid:
    """Memory with a few bytes changed."""

    def __init__(self, memory: ImageMemory, where: int, data: bytes) -> None:
        self._memory, self._where, self._data = memory, where, data

    def read(self, address: int, size: int) -> bytes:
        data = bytearray(self._memory.read(address, size))
        self._change(address, memoryview(data))
        return bytes(data)

    def read_into(self, address: int, buffer: memoryview) -> None:
        self._memory.read_into(address, buffer)
        self._change(address, buffer)

    def _change(self, address: int, buffer: memoryview) -> None:
        for index, byte in enumerate(self._data):
            at = self._where + index - address
            if 0 <= at < len(buffer):
                buffer[at] = byte


def seen_at(findings: Sequence[Finding], target: Target) -> str:
    """Return "at its place" where a finding names the field or its owner, "elsewhere" where others do, "" for no
    finding."""
    if not findings:
        return ""
    near = {target.owner, target.where}
    named = {place for each in findings for place in (each.address, each.where, *each.suspects)}
    return "at its place" if near & named else "elsewhere"


def told_of(findings: Sequence[Finding], target: Target) -> int | None:
    """Return the word that the broken field must hold, as it is told; None where that is not told."""
    return next((each.must.value for each in findings if each.where == target.where and each.field), None)


def leads_to_another_header(view: HeapView, target: Target, new: bytes) -> bool:
    """Whether the broken size is that of a longer chunk, which ends where another one begins: the heap is whole
    then, malloc cannot tell."""
    chunk, end = view.chunk_at(target.owner), target.owner + (int.from_bytes(new, "little") & ~7)
    same_flags = chunk is not None and int.from_bytes(new, "little") & 7 == chunk.flags
    return target.what.startswith("size") and same_flags and view.table.row_of(end) is not None


@CASES
def test_what_malloc_relies_on_cannot_break_unseen(name, word):
    choose = random.Random(word * 1000 + int(name.replace(".", "")))
    model = new_process(name, word)
    play(model, choose, 700)
    picture = image(model)
    whole, layout = process_of(picture), layout_of(picture)
    sound = read_heap(whole, layout)
    places: dict[str, list[Target]] = {}
    for each in targets(sound):
        places.setdefault(each.what, []).append(each)
    results: Counter[str] = Counter()
    told: Counter[str] = Counter()
    unseen = []
    for _ in range(FLIPS):
        target = choose.choice(places[choose.choice(sorted(places))])
        old = whole.memory.read(target.where, target.size)
        new, way = broken(old, target.size, choose)
        if new == old:
            continue
        process = Process(
            "core", machine_of_size(word), Overlaid(whole.memory, target.where, new), whole.address_space, ()
        )
        findings = find_violations(process, read_heap(process, layout)).findings
        seen = seen_at(findings, target)
        value = told_of(findings, target)
        if value is not None:
            told["right" if value == int.from_bytes(old, "little") else "wrong"] += 1
        if not seen and leads_to_another_header(sound, target, new):
            seen = "undetectable: the size leads to another header"
        elif not seen:
            unseen.append((target, way, old.hex(), new.hex()))
        results[seen] += 1
    print(f"glibc {name}, {8 * word} bit, {sum(results.values())} fields broken: {dict(results)}, told {dict(told)}")
    assert unseen == []
    assert results["at its place"] >= 0.93 * sum(results.values())
    assert told["right"] >= 0.4 * sum(results.values()) and told["right"] >= 0.97 * sum(told.values())
