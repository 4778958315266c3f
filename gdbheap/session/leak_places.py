"""Where leaks belong: the module that a block's type or first words tell of, and the variable or member that is nearest
above it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.distinct import codes_of, distinct
from gdbheap.session.block_types import plain_types
from gdbheap.session.held_snapshot import named_holder
from gdbheap.session.retained import retained
from gdbheap.session.target import Key, Target
from gdbheap.types.catalogue import NONE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.analysis.leaks.leaks import Leaks
    from gdbheap.analysis.pointers.pointer_graph import PointerGraph
    from gdbheap.analysis.retained.nearest import Nearest

_PLACES: Key[LeakPlaces] = Key("leak places")


@dataclass(frozen=True)
class LeakPlaces:
    """`module[block]` is a place in `modules` (-1: nothing tells), which are file names; `nearest` has the holders."""

    target: Target
    module: NDArray[np.int32]
    modules: tuple[str, ...]
    nearest: Nearest

    def apart(self) -> NDArray[np.intp]:
        """Return a number for each block that is the same for those of one module and holder."""
        return codes_of(self.module, self.nearest.node)

    def of(self, block: int) -> tuple[str, str]:
        """Return the module and the holder of a block, "" where nothing tells, or holds it."""
        module = int(self.module[block])
        holder = named_holder(self.target, self.nearest, int(self.nearest.node[block]))
        return self.modules[module] if module >= 0 else "", holder


def leak_places(target: Target, leaks: Leaks) -> LeakPlaces:
    """Return the places of all blocks; those of blocks that lost ones alone lead to are not named."""
    from gdbheap.analysis.retained.nearest import nearest_holders  # kept out of gdb's start

    def compute(_: object) -> LeakPlaces:
        names = tuple(os.path.basename(each.path) for each in target.process.modules)
        module = _module_of_words(target, leaks.held)
        by_type = _modules_of_types(target)
        told = by_type[plain_types(target).type]
        return LeakPlaces(target, np.where(told >= 0, told, module), names, nearest_holders(retained(target)))

    return target.keep(_PLACES, compute)


def _module_of_words(target: Target, held: PointerGraph) -> NDArray[np.int32]:
    """Return for each block the module that its first word points into, or else its second one."""
    spans = sorted(
        (segment.start, segment.end, number)
        for number, module in enumerate(target.process.modules)
        for segment in module.segments
    )
    found = np.full(len(held.blocks), -1, np.int32)
    if spans:
        starts, ends, numbers = (np.array(column, np.uint64) for column in zip(*spans))
        for word in (1, 0):
            value = held.graph.head[:, word].astype(np.uint64)
            at = np.searchsorted(starts, value, side="right") - 1
            inside = (at >= 0) & (value < ends[at])
            found[inside] = numbers[at[inside]].astype(np.int32)
    return found


def _modules_of_types(target: Target) -> NDArray[np.int32]:
    """Return for each type the one module whose debug information has it, -1 where none or several do; one more for
    NONE."""
    types = plain_types(target)
    found = np.full(len(types.catalogue.types) + 1, -1, np.int32)
    catalogues = [(number, target.catalogue_of(each)) for number, each in enumerate(target.process.modules)]
    for each in distinct(types.type).tolist():
        name = "" if each == NONE else types.catalogue.types[each].name
        modules = [number for number, catalogue in catalogues if name and name in catalogue.by_name]
        if len(modules) == 1:
            found[each] = modules[0]
    return found
