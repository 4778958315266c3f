"""What a word at the front of a block points to: a symbol, or in a program without symbols the vtable that its type
info tells of."""

from __future__ import annotations

from gdbheap.analysis.objects.lookup import Lookup
from gdbheap.analysis.objects.type_info import class_of_vtable
from gdbheap.process.named_address import NamedAddress
from gdbheap.process.symbols import SymbolAt
from gdbheap.session.target import Key, Target

_LOOKUP: Key[Lookup] = Key("lookup")


def object_names(target: Target) -> SymbolAt:
    """Return a function that gives such names of addresses, as Target.symbol_at does."""

    def name(address: int) -> NamedAddress | None:
        symbol = target.symbol_at(address)
        if symbol is not None and symbol.class_name:
            return symbol
        vtable = class_of_vtable(target.process, address)
        return NamedAddress(target.demangled(vtable), 0, "memory") if vtable else symbol

    return name


def lookup(target: Target) -> Lookup:
    """Return what namers of blocks ask of this stop."""
    return target.keep(
        _LOOKUP, lambda _: Lookup(target.process, object_names(target), target.demangled, target.code_at)
    )
