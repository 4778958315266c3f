"""What blocks are, without debug information: every namer asked, the surest first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gdbheap.allocators.blocks import Blocks
from gdbheap.analysis.objects.block_words import BlockWords, read_block_words
from gdbheap.analysis.objects.closures import Closures
from gdbheap.analysis.objects.coroutines import Coroutines
from gdbheap.analysis.objects.cxx_classes import CxxClasses
from gdbheap.analysis.objects.exception_pool import ExceptionPool
from gdbheap.analysis.objects.exceptions import Exceptions
from gdbheap.analysis.objects.file_streams import FileStreams
from gdbheap.analysis.objects.gobjects import GObjects
from gdbheap.analysis.objects.labels import Labels
from gdbheap.analysis.objects.lookup import Lookup
from gdbheap.analysis.objects.prefixed_text import name_prefixed_text
from gdbheap.analysis.objects.python_objects import PythonObjects
from gdbheap.analysis.objects.shared_pointers import SharedPointers
from gdbheap.analysis.objects.talloc_chunks import TallocChunks
from gdbheap.analysis.objects.wide_text import name_wide_text
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Blocks that are looked at at a time: what is made of them on the way is several times as large as their words.
_SLICE = 1 << 16

Namer = Callable[[BlockWords, Labels], None]
"""Puts names on the blocks that it is given, or on blocks that these own."""


def name_objects(blocks: Blocks, chosen: NDArray[np.intp], lookup: Lookup) -> Labels:
    """Return labels for all blocks: names of the `chosen` ones (which ascend), and of what they own."""
    labels, owned, contents = (Labels(len(blocks)) for _ in range(3))
    classes = CxxClasses(lookup)
    namers: list[tuple[Labels, Namer]] = [
        (labels, classes.name),
        (labels, FileStreams(lookup).name),
        (labels, PythonObjects(lookup).name),
        (labels, TallocChunks(lookup).name),
        (labels, GObjects(lookup).name),
        (labels, Coroutines(lookup).name),
        (labels, Exceptions(lookup).name),
        (labels, ExceptionPool(lookup).name),
        (owned, Closures(lookup).name),
        (owned, SharedPointers(classes).name),
        (contents, name_prefixed_text),
        (contents, name_wide_text),
        (contents, classes.name_parts),
    ]
    process = lookup.process
    for at in range(0, len(chosen), _SLICE):
        rows = chosen[at : at + _SLICE]
        given = read_block_words(process.memory, blocks, rows, process.address_space, process.machine)
        for named, name in namers:
            name(given, named)
    labels.fill(owned)
    labels.fill(contents)
    return labels
