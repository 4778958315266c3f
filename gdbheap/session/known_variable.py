"""The variable that an address lies in, by debug information: its name, its type, and what it holds."""

from __future__ import annotations

from bisect import bisect_right

from gdbheap.errors import HeapError
from gdbheap.session.catalogues import joined_catalogue
from gdbheap.session.target import Target
from gdbheap.types.catalogue import NONE
from gdbheap.types.known_variable import KnownVariable
from gdbheap.types.short_names import short_name
from gdbheap.types.type_names import member_path, size_of, type_name

# So many characters of a value are told.
_LONGEST = 60


def known_variable(target: Target, address: int) -> KnownVariable | None:
    """Return the variable; None where no debug information tells, or the user wants none of it."""
    if not target.setting("types"):
        return None
    catalogue = joined_catalogue(target)
    places = [each.place for each in catalogue.variables]
    index = bisect_right(places, address) - 1
    if index < 0:
        return None
    variable = catalogue.variables[index]
    size = size_of(catalogue, variable.type)
    if not variable.place <= address < variable.place + max(size, 1):
        return None
    offset = address - variable.place
    name = short_name(variable.name) + (f" of {variable.function}()" if variable.function else "")
    kind = type_name(catalogue, variable.type) if variable.type != NONE else ""
    member = member_path(catalogue, variable.type, offset) if offset and variable.type != NONE else ""
    value = _value(target, kind, variable.place)
    return KnownVariable(name, short_name(kind), variable.place, variable.place + size, member, value)


def _value(target: Target, kind: str, address: int) -> str:
    try:
        known = target.typed(kind) if kind else None
        value = "" if known is None else known.show(address, one_line=True)
    except HeapError:
        return ""
    return value if len(value) <= _LONGEST and "\n" not in value else ""
