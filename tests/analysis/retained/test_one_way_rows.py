"""Which edges go on in a row of blocks of one kind; what leads to a block's own part is no such edge."""

from types import SimpleNamespace

import numpy as np

from gdbheap.analysis.retained.one_way_rows import goes_on

BLOCKS, HOLDER, PART, ROOT = 5, 5, 6, 7


def made(edges):
    source, target = np.array(edges, np.int32).T
    size = np.full(BLOCKS, 0x20, np.uint64)
    held = SimpleNamespace(blocks=SimpleNamespace(size=size))
    kind = np.zeros(BLOCKS, np.int32)
    return SimpleNamespace(blocks=BLOCKS, root=ROOT, source=source, target=target, kind=kind, held=held)


def test_a_row_goes_on_though_a_block_of_it_has_a_part():
    row = [(0, 1), (1, 2), (2, 3)]
    retained = made([*row, (HOLDER, 0), (1, PART), (PART, 4)])
    source, target = np.array([*row, (1, PART)], np.int32).T
    assert goes_on(retained, source, target).tolist() == [True, True, True, False]


def test_two_blocks_that_lead_to_each_other_are_no_row():
    pair = [(0, 1), (1, 0), (1, 2)]
    retained = made([*pair, (HOLDER, 0)])
    source, target = np.array(pair[:2], np.int32).T
    assert not goes_on(retained, source, target).any()
