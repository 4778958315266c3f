"""Blocks and pointer graphs made by hand."""

from __future__ import annotations

import numpy as np

from gdbheap.allocators.blocks import Blocks
from gdbheap.analysis.pointers.graph import PointerEdges

BASE = 0x5000_0000
PAGE = 0x1000


def blocks_of(spans: list[tuple[int, int]]) -> Blocks:
    """Make blocks of (offset from BASE, usable bytes)."""
    start = np.array([BASE + offset for offset, _ in spans], np.uint64)
    size = np.array([size for _, size in spans], np.uint64)
    return Blocks(start, start + size, size + np.uint64(8), np.arange(len(spans)))


def edges(graph: PointerEdges) -> set[tuple[int, int, int]]:
    return set(zip(graph.source.tolist(), graph.target.tolist(), graph.offset.tolist()))
