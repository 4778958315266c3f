"""The structs that functions know things by: what their variables and arguments point to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gdbheap.session.local_types import ToldTypes
from gdbheap.session.target import Target
from gdbheap.types.catalogue import Catalogue, TypeKind
from gdbheap.types.columns import ColumnTypes
from gdbheap.types.derived import DerivedTypes
from gdbheap.types.local_variable import POINTER_TO, ToldType


def types_in_function(target: Target, catalogue: Catalogue) -> Callable[[int], Sequence[int]] | None:
    """Return what tells the structs of this catalogue that a function's variables point to, given its address; None
    where the catalogue has no types."""
    if not isinstance(catalogue.types, ColumnTypes):
        return None
    told_types = ToldTypes(catalogue, DerivedTypes(catalogue.types.columns, target.process.pointer_size))

    def of_function(address: int) -> Sequence[int]:
        told = (each for each in target.types_in_function(address) if each.steps == (POINTER_TO,))
        named = (
            ToldType((), each.kind, each.name, each.size, each.members)
            for each in told
            if each.kind is TypeKind.STRUCT and each.name
        )
        return [number for each in named if (number := told_types.number(each)) is not None]

    return of_function
