"""What a word at the front of a block points to: a symbol, or in a program without symbols the vtable that its type
info tells of."""

from __future__ import annotations

from collections.abc import Callable

from gdbheap.analysis.objects.type_info import class_of_vtable
from gdbheap.session.target import Target


def object_names(target: Target) -> Callable[[int], str]:
    """Return a function that gives such names of addresses, as Target.symbol_at does: "vtable for Car+16 in cars"."""

    def name(address: int) -> str:
        symbol = target.symbol_at(address)
        if "vtable for " in symbol:
            return symbol
        vtable = class_of_vtable(target.process, address)
        return f"{target.demangled(vtable)} in memory" if vtable else symbol

    return name
