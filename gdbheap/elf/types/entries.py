"""What the entries of a unit say, each kind made into rows by a function of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from elftools.common.exceptions import DWARFError

from gdbheap.elf.types.abbreviations import Plan
from gdbheap.elf.types.expressions import constant_place
from gdbheap.elf.types.forms import FormMeaning
from gdbheap.elf.types.rows import FILE_SHIFT, MOST_MEMBERS, MOST_TYPES, MOST_VARIABLES, NO_PLACE, TRANSPARENT, Rows
from gdbheap.elf.types.scopes import Scope, Scopes
from gdbheap.elf.types.sources import EntrySection, Skeleton
from gdbheap.elf.types.units import Unit
from gdbheap.types.catalogue import NONE, MemberKind, TypeKind

_MOST_SIZE = 1 << 31
_CHARACTERS = (6, 8, 0x10, 0x12)  # DW_ATE_signed_char, unsigned_char, UTF, ASCII
_UNION = 0x17
LANGUAGES = ("", "c", "c++", "rust")
_LANGUAGE_OF = {
    **dict.fromkeys((0x01, 0x02, 0x0C, 0x1D, 0x2C), 1),
    **dict.fromkeys((0x04, 0x1A, 0x21, 0x2B), 2),
    0x1C: 3,
}

Values = tuple["Any", ...]


class Entries:
    """The rows that a unit's entries make. Each of `handlers`, by tag, takes an entry's plan, values and place and the
    scope it is in, and returns the scope of its children, None where they are of no use."""

    def __init__(self, rows: Rows, source: EntrySection, unit: Unit, index: int) -> None:
        self._rows, self._unit, self._texts, self._expressions = rows, unit, source.texts, source.expressions
        self._file = source.number << FILE_SHIFT
        self._base = self._file + unit.offset
        self._index = index
        self._language = 0
        # The unit's entries are in another file, if this tells of one.
        self.skeleton: Skeleton | None = None
        self._scopes = Scopes()
        # Reads the entry at a place of the unit: its plan and values.
        self.peek: Callable[[int], tuple[Plan, Values]]
        # Whether those are read as well that are only declared: a type may stand in one.
        self.all_functions = False
        self._dimensions = self._last_dimension = 0
        # The names of what is declared in the unit and may be defined by an entry without a name.
        self._declared: dict[int, str] = {}
        self.handlers: dict[int, Callable[[Plan, Values, int, Scope], Scope | None]] = {
            **dict.fromkeys((0x02, 0x13, _UNION, 0x38), self._struct),
            **dict.fromkeys((0x0F, 0x10, 0x42), self._pointer),
            **dict.fromkeys((0x26, 0x2D, 0x35, 0x37, 0x47, 0x4B), self._transparent),
            **dict.fromkeys((0x11, 0x3C, 0x41, 0x4A), self._unit_entry),
            **dict.fromkeys((0x0B, 0x19, 0x4107), _same_scope),  # blocks, variants, packs of arguments
            **dict.fromkeys((0x16, 0x43), self._typedef),
            0x01: self._array,
            0x04: self._enumeration,
            0x0D: self._member,
            0x15: self._subroutine,
            0x1C: self._base_class,
            0x1F: self._member_pointer,
            0x21: self._subrange,
            0x24: self._scalar,
            0x2E: self._function,
            0x2F: self._argument,
            0x30: self._argument,
            0x4106: self._argument,
            0x33: self._variants,
            0x34: self._variable,
            0x39: self._namespace,
            0x3B: self._scalar,
        }

    def skip(self, start: int, end: int) -> None:
        """Keep in mind that the function at [start, end) in the section was not looked into."""
        self._rows.skipped.extend((self._file + start, self._file + end, self._index))

    def _name(self, plan: Plan, values: Values) -> str:
        value = values[plan.name]
        return "" if value is None else self._texts.text(plan.forms["name"], value)

    def _place(self, plan: Plan, slot: str, value: int | None) -> int:
        """Return the place of the entry that is referred to."""
        if value is None:
            return NO_PLACE
        form = plan.forms[slot]
        if form == FormMeaning.IN_UNIT:
            return self._base + value
        if form == FormMeaning.IN_SECTION:
            return self._file + value
        if form == FormMeaning.SIGNATURE:
            return self._rows.signature(value)
        return self._texts.other_file + value if self._texts.other_file else NO_PLACE

    def _type(self, plan: Plan, values: Values) -> int:
        value = values[plan.type]
        if value is None:
            return NO_PLACE
        return (
            self._base + int(value) if plan.forms["type"] == FormMeaning.IN_UNIT else self._place(plan, "type", value)
        )

    def _add(self, at: int, kind: int, name: str, size: int | None, target: int = NO_PLACE) -> int:
        """Add a type; return its row."""
        rows = self._rows
        row = len(rows.types) // rows.TYPE
        if row > MOST_TYPES:
            raise DWARFError("it has too many types")
        size = 0 if size is None or not 0 <= size < _MOST_SIZE else size
        rows.types.extend((self._file + at, kind, rows.name(name), size, target, NONE, self._language))
        return row

    def _unit_entry(self, plan: Plan, values: Values, at: int, scope: Scope) -> Scope:
        self._language = _LANGUAGE_OF.get(values[plan.language], 0)
        self._texts.begin(plan, values)
        self._expressions.begin(values[plan.addresses])
        split = values[plan.split]
        if split is not None:
            directory = values[plan.directory]
            where = "" if directory is None else self._texts.text(plan.forms["directory"], directory)
            name = self._texts.text(plan.forms["split"], split)
            own = values[plan.split_id] if self._unit.id is None else self._unit.id
            self.skeleton = Skeleton(name, where, own or 0, values[plan.addresses] or 0)
        return scope

    def _namespace(self, plan: Plan, values: Values, at: int, scope: Scope) -> Scope:
        prefix = f"{scope.prefix}{self._name(plan, values) or '(anonymous namespace)'}::"
        return Scope(-1, prefix, number=self._number(plan, values, at, prefix, scope))

    def _number(self, plan: Plan, values: Values, at: int, prefix: str, outer: Scope) -> int:
        """Return the number that a namespace or struct gets."""
        sibling = values[plan.sibling]
        end = self._unit.end if sibling is None else sibling + self._unit.offset
        return self._scopes.add(at, end, prefix, outer)

    def function_number(self, plan: Plan, values: Values) -> int:
        """Return the number of the name of a function that is declared elsewhere, -1 where that cannot be told."""
        origin = values[plan.origin]
        if origin is None or plan.forms["origin"] != FormMeaning.IN_UNIT:
            return -1
        place = self._unit.offset + origin
        declared, told = self.peek(place)
        inlined = told[declared.origin]
        if inlined is not None and declared.forms["origin"] == FormMeaning.IN_UNIT:  # refers to its declaration in turn
            place = self._unit.offset + inlined
            declared, told = self.peek(place)
        name = self._name(declared, told)
        return self._rows.name(self._scopes.prefix_at(place) + name) if name else -1

    def _function(self, plan: Plan, values: Values, at: int, scope: Scope) -> Scope | None:
        if (scope.row >= 0 or values[plan.declared]) and not self.all_functions:
            return None
        name = self._name(plan, values)
        function = self._rows.name(scope.prefix + name) if name else -1
        return Scope(-1, scope.prefix, function, True, scope.number)

    def _struct(self, plan: Plan, values: Values, at: int, scope: Scope) -> Scope:
        name, size = self._name(plan, values), values[plan.size]
        origin = values[plan.origin]
        # (What is declared in its namespace may be defined outside, as in units of one type.)
        is_defined = origin is not None and plan.forms["origin"] == FormMeaning.IN_UNIT
        told = self._declared.get(origin, "") if is_defined else ""
        name = told or (scope.prefix + name if name else "")
        declared = values[plan.declared] or size is None
        if declared:
            self._declared[at - self._unit.offset] = name
        kind = TypeKind.OPAQUE if declared else TypeKind.UNION if plan.tag == _UNION else TypeKind.STRUCT
        target = self._place(plan, "origin", origin) if declared else NO_PLACE
        row = self._add(at, kind, name, size, target)
        prefix = f"{name}::" if name else scope.prefix
        return Scope(row, prefix, scope.function, number=self._number(plan, values, at, prefix, scope))

    def _variants(self, plan: Plan, values: Values, at: int, scope: Scope) -> Scope | None:
        """A Rust enum: a struct whose members lie one over the other."""
        if scope.row < 0:
            return None
        self._rows.types[scope.row * self._rows.TYPE + 1] = TypeKind.UNION
        return scope

    def _member(self, plan: Plan, values: Values, at: int, scope: Scope) -> None:
        if values[plan.declared]:
            self._variable(plan, values, at, scope)  # static, as DWARF 4 has it
            return
        if scope.row < 0:
            return
        name = self._name(plan, values)
        place, kind = values[plan.place], MemberKind.FIELD
        if type(place) is not int:
            place = constant_place(place)
        if values[plan.bits] is not None:
            kind = MemberKind.BIT_FIELD
            place = (values[plan.first_bit] or 0) // 8 if place == 0 else place
        elif name.startswith("_vptr"):
            kind = MemberKind.VTABLE
        self._add_member(scope, name, place, self._type(plan, values), kind)

    def _base_class(self, plan: Plan, values: Values, at: int, scope: Scope) -> None:
        place, kind = values[plan.place], MemberKind.BASE
        if values[plan.virtual]:
            kind, place = MemberKind.VIRTUAL_BASE, self._expressions.place_in_vtable(place)
        elif type(place) is not int:
            place = constant_place(place)
        if place is not None:
            self._add_member(scope, "", place, self._type(plan, values), kind)

    def _add_member(self, scope: Scope, name: str, place: int, type_: int, kind: int) -> None:
        members = self._rows.members
        if scope.row < 0 or not -_MOST_SIZE < place < _MOST_SIZE:
            return
        if len(members) > MOST_MEMBERS * self._rows.MEMBER:
            raise DWARFError("it has too many members")
        members.extend((scope.row, self._rows.name(name), place, type_, kind))

    def _argument(self, plan: Plan, values: Values, at: int, scope: Scope) -> None:
        if scope.row >= 0:
            self._rows.arguments.extend((scope.row, self._type(plan, values) if plan.tag == 0x2F else NO_PLACE))

    def _array(self, plan: Plan, values: Values, at: int, scope: Scope) -> Scope:
        row = self._add(at, TypeKind.ARRAY, "", None, self._type(plan, values))
        self._dimensions = 0
        return Scope(row, "", scope.function)

    def _subrange(self, plan: Plan, values: Values, at: int, scope: Scope) -> None:
        """A dimension. An array of arrays has several: the elements of each but the last are the next one's."""
        rows, upper = self._rows, values[plan.upper]
        count = values[plan.count] if upper is None else upper + 1
        # Of no elements: how flexible arrays were written before C99.
        count = count if count is not None and 0 < count < _MOST_SIZE else NONE
        if scope.row < 0:
            return
        if self._dimensions:
            outer = (self._last_dimension if self._dimensions > 1 else scope.row) * rows.TYPE
            self._last_dimension = self._add(at, TypeKind.ARRAY, "", None, rows.types[outer + 4])
            rows.types[outer + 4] = self._file + at
        rows.types[(self._last_dimension if self._dimensions else scope.row) * rows.TYPE + 5] = count
        self._dimensions += 1

    def _scalar(self, plan: Plan, values: Values, at: int, scope: Scope) -> None:
        is_character = values[plan.size] == 1 and values[plan.encoding] in _CHARACTERS
        kind = TypeKind.CHARACTER if is_character else TypeKind.SCALAR
        size = self._unit.widths.address if plan.tag == 0x3B else values[plan.size]  # decltype(nullptr)
        self._add(at, kind, self._name(plan, values), size)

    def _enumeration(self, plan: Plan, values: Values, at: int, scope: Scope) -> None:
        name = self._name(plan, values)
        name = scope.prefix + name if name else ""
        kind = TypeKind.CHARACTER if name == "std::byte" else TypeKind.SCALAR
        self._add(at, kind, name, values[plan.size])

    def _pointer(self, plan: Plan, values: Values, at: int, scope: Scope) -> None:
        size = values[plan.size] or self._unit.widths.address
        self._add(at, TypeKind.POINTER, "", size, self._type(plan, values))

    def _member_pointer(self, plan: Plan, values: Values, at: int, scope: Scope) -> None:
        self._add(at, TypeKind.MEMBER_POINTER, "", values[plan.size], self._type(plan, values))

    def _subroutine(self, plan: Plan, values: Values, at: int, scope: Scope) -> None:
        self._add(at, TypeKind.FUNCTION, "", 0)

    def _transparent(self, plan: Plan, values: Values, at: int, scope: Scope) -> None:
        self._add(at, TRANSPARENT, "", 0, self._type(plan, values))

    def _typedef(self, plan: Plan, values: Values, at: int, scope: Scope) -> None:
        self._add(at, TypeKind.TYPEDEF, scope.prefix + self._name(plan, values), 0, self._type(plan, values))

    def _variable(self, plan: Plan, values: Values, at: int, scope: Scope) -> None:
        location, origin = values[plan.location], values[plan.origin]
        found = self._expressions.static_place(location) if location else None
        if location and found is None:
            return  # in a register, or on the stack
        name, storage, address = self._name(plan, values), NONE, 0
        if found is not None:
            storage, address = found
        rows = self._rows
        if len(rows.variables) > MOST_VARIABLES * rows.VARIABLE:
            raise DWARFError("it has too many variables")
        name = scope.prefix + name if name and not scope.function else name
        function = scope.function
        refers = self._place(plan, "origin", origin)
        rows.variables.extend(
            (self._file + at, rows.name(name), self._type(plan, values), storage, address, function, refers)
        )


def _same_scope(plan: Plan, values: Values, at: int, scope: Scope) -> Scope:
    return scope
