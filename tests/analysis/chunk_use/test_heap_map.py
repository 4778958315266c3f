"""The map of an arena against counting byte by byte."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from gdbheap.analysis.chunk_use.heap_map import FREE, GIVEN_BACK, KINDS, LIVE, OTHER, TOP, TOP_UNTOUCHED, heap_map
from gdbheap.glibc.chunk_table import ChunkTable, State
from gdbheap.glibc.heap_view import HeapView, Region
from gdbheap.process.live.resident_pages import ResidentPages
from support.made_process import made_heap

START, PAGE = 0x100000, 256
FREE_ONES = (State.TCACHE, State.FASTBIN, State.UNSORTED, State.SMALL, State.LARGE)


def random_heap(chance: random.Random) -> tuple[HeapView, list[tuple[int, int, State]]]:
    """A heap of one arena in one or two stretches, with chunks end to end but for some gaps."""
    rows: list[tuple[int, int, State]] = []
    regions = []
    at = START
    for _ in range(chance.randint(1, 2)):
        begin = at
        for _ in range(chance.randint(1, 40)):
            size = 16 * chance.choice((2, 2, 3, 5, 40))
            state = chance.choice((State.IN_USE, State.IN_USE, State.MALLOC_OWNED, *FREE_ONES))
            rows.append((at, size, state))
            at += size
        rows.append((at, 0x200, State.TOP))
        at += 0x200
        regions.append(Region(0, begin, begin, at))
        at += 16 * chance.randint(1, 30)
    types = (np.uint64, np.uint64, np.uint8, np.uint8, np.uint16)
    cells = [(address, size, 1, state, 0) for address, size, state in rows]
    table = ChunkTable(*(np.array(column, dtype) for column, dtype in zip(zip(*cells), types)))
    made = made_heap()
    return replace(made, table=table, arenas=(replace(made.arenas[0], regions=tuple(regions)),)), rows


@pytest.mark.parametrize("known", [True, False])
def test_each_cell_holds_what_its_bytes_are(known: bool) -> None:
    for seed in range(40):
        chance = random.Random(seed)
        view, rows = random_heap(chance)
        resident = {page for page in range(START // PAGE, START // PAGE + 200) if chance.random() < 0.6}
        pages = ResidentPages((page * PAGE, page * PAGE + PAGE) for page in resident) if known else None
        found = heap_map(view, 0, pages, chance.choice((3, 10, 100)))
        kind_of = {}
        for address, size, state in rows:
            for byte in range(address, address + size):
                held = not known or byte // PAGE in resident
                if state == State.IN_USE:
                    kind_of[byte] = LIVE
                elif state == State.TOP:
                    kind_of[byte] = TOP if held else TOP_UNTOUCHED
                else:
                    kind_of[byte] = (FREE if held else GIVEN_BACK) if state in FREE_ONES else OTHER
        covered = 0
        for cell in range(len(found)):
            low, high = int(found.start[cell]), int(found.end[cell])
            counts = dict.fromkeys(KINDS, 0)
            for byte in range(low, high):
                counts[kind_of.get(byte, OTHER)] += 1
            assert {kind: int(found.bytes[kind][cell]) for kind in KINDS} == counts, f"seed {seed}, cell {cell}"
            covered += high - low
            inside = [(size, at) for at, size, state in rows if state == State.IN_USE and low <= at < high]
            row = int(found.largest[cell])
            if inside:
                assert rows[row][1] == max(inside)[0]
        assert covered == sum(region.end - region.start for region in view.arenas[0].regions)
        assert found.cell & (found.cell - 1) == 0
