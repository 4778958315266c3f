"""Rules beside what typed pointers tell: of libraries' containers, vtables, whatever knows more of some types than
their members say. A rule is a function in a file of its own, listed here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from gdbheap.analysis.types.bytes_and_pointers import bytes_and_pointers
from gdbheap.analysis.types.claims import Claims
from gdbheap.analysis.types.classes_behind import classes_behind
from gdbheap.analysis.types.coroutine_frames import coroutine_claims
from gdbheap.analysis.types.functions import function_claims
from gdbheap.analysis.types.libcxx import libcxx_targets
from gdbheap.analysis.types.libstdcxx import container_targets
from gdbheap.analysis.types.slots import LayoutRule
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.unused_room import unused_room
from gdbheap.analysis.types.vtables import vtable_claims

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.lazy import np

# Claims of blocks that a rule knows something of.
ClaimRule = Callable[[TypingState], Iterable[Claims]]
# Which of the graph's edges are words that mean nothing (True), for all that the types of their blocks tell.
DeadRule = Callable[[TypingState], "NDArray[np.bool_]"]

# What lies in some words of a type: asked for each type once, the first that answers counts.
LAYOUT_RULES: tuple[LayoutRule, ...] = (container_targets, libcxx_targets)
# Before all else: what blocks say themselves (vtables).
FIRST_CLAIMS: tuple[ClaimRule, ...] = (vtable_claims, function_claims, coroutine_claims)
# When typed pointers have told all: called again as long as it says anything new.
LATER_CLAIMS: tuple[ClaimRule, ...] = (classes_behind, bytes_and_pointers)
# At the end.
DEAD_RULES: tuple[DeadRule, ...] = (unused_room,)
