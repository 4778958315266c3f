"""heap bins: what is said where there is no list to show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gdbheap.commands.heap_bins import run
from gdbheap.glibc.layout import SIGNATURE, Located, ThreadMalloc
from support.made_process import made_heap

KNOWN = ThreadMalloc(1, 11, Located(0x405010, SIGNATURE), None)
NONE_YET = ThreadMalloc(2, 12, None, None, "it has no tcache yet")
UNKNOWN = ThreadMalloc(3, 13, None, None, "its control block at 0x7000 is missing or overwritten", is_known=False)


class Target:
    def __init__(self, threads):
        self.view = made_heap()
        self.view = replace(self.view, layout=replace(self.view.layout, threads=threads))

    def heap(self):
        return self.view

    def setting(self, _):
        return 0


@pytest.mark.parametrize(
    ("threads", "line"),
    [
        ((KNOWN,), "tcache: empty"),
        ((KNOWN, UNKNOWN), "tcache: empty, but for 1 thread whose tcaches are not known: 3"),
        ((NONE_YET, UNKNOWN), "tcache: 1 thread whose tcaches are not known: 3"),
        ((NONE_YET,), "tcache: no thread has one"),
    ],
)
def test_tcaches_that_are_not_known_are_not_called_empty(threads, line):
    (said,) = run(Target(threads), {"kind": ("tcache",), "count": None}).table.displayed
    assert "".join(text for _, text in said.pieces) == line
