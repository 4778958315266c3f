"""Types and their members in words, as a programmer writes them: "struct order", "dictEntry *[17]", "Shape::id"."""

from __future__ import annotations

from gdbheap.lazy import dataclass
from gdbheap.types.catalogue import NONE, Catalogue, Member, MemberKind, TypeInfo, TypeKind

# So many names of one type, arrays in arrays and structs in structs are gone through: the rest may be a circle.
_DEEPEST = 16


@dataclass(frozen=True)
class Telling:
    """How a member is told: with the `indices` of arrays, or as any element; and the type that a pointer there leads to
    (`wanted`, NONE where that is not known), which says what a union holds."""

    indices: bool = True
    wanted: int = NONE


_PLAINLY = Telling()


def stripped(catalogue: Catalogue, number: int) -> int:
    """Return the type behind typedefs; NONE where there is none, or they go round in a circle."""
    types = catalogue.types
    for _ in range(_DEEPEST):
        if not 0 <= number < len(types):
            return NONE
        if types[number].kind is not TypeKind.TYPEDEF:
            return number
        number = types[number].target
    return NONE


def type_name(catalogue: Catalogue, number: int, depth: int = 0) -> str:
    """Return the type's name: C's structs that no typedef names by their tag ("struct order")."""
    if number == NONE or depth > _DEEPEST:
        return "void" if number == NONE else "..."
    info = catalogue.types[number]
    if info.kind is TypeKind.POINTER:
        target = type_name(catalogue, info.target, depth + 1)
        return target.replace("(*)", "(**)", 1) if "(*)" in target else f"{target}{'' if target[-1] == '*' else ' '}*"
    if info.kind is TypeKind.ARRAY:
        count = "" if info.count == NONE else str(info.count)
        return f"{type_name(catalogue, info.target, depth + 1)}[{count}]"
    if info.kind is TypeKind.FUNCTION:
        return "void ()" if not info.name else info.name
    return _own_name(catalogue, number, info)


def _own_name(catalogue: Catalogue, number: int, info: TypeInfo) -> str:
    tag = {TypeKind.STRUCT: "struct", TypeKind.UNION: "union"}.get(info.kind, "")
    if not info.name:
        return f"unnamed {tag}" if tag else "unnamed type"
    if not tag or info.language != "c" or _has_typedef(catalogue, number, info.name):
        return info.name
    return f"{tag} {info.name}"


def _has_typedef(catalogue: Catalogue, number: int, name: str) -> bool:
    named = catalogue.by_name.get(name, ())
    return any(
        catalogue.types[each].kind is TypeKind.TYPEDEF and catalogue.types[each].target == number for each in named
    )


def member_path(catalogue: Catalogue, number: int, offset: int, telling: Telling = _PLAINLY, depth: int = 0) -> str:
    """Return the way from an object of this type to what lies at the offset in it: ".items[3].key"; "" for the object
    itself, "+0x4" behind what has no members there. Without indices it is the way to any element: ".items[].key"."""
    number = stripped(catalogue, number)
    rest = f"+{offset:#x}" if offset else ""
    if number == NONE or depth > _DEEPEST:
        return rest
    info = catalogue.types[number]
    if info.kind is TypeKind.ARRAY:
        size = size_of(catalogue, info.target)
        if not size:
            return rest
        inner = member_path(catalogue, info.target, offset % size, telling, depth + 1)
        return f"[{offset // size if telling.indices else ''}]{inner}"
    if info.kind not in (TypeKind.STRUCT, TypeKind.UNION):
        return rest
    for member in _by_telling(catalogue, info, offset, telling.wanted):
        if member.kind is MemberKind.VIRTUAL_BASE:
            continue
        length = size_of(catalogue, member.type)
        within = member.offset <= offset < member.offset + max(length, 1)
        if within or (offset >= member.offset and _is_flexible(catalogue, member.type)):
            if member.kind is MemberKind.VTABLE:
                return ""
            inner = member_path(catalogue, member.type, offset - member.offset, telling, depth + 1)
            return f".{member.name}{inner}" if member.name else inner
    return rest


def _by_telling(catalogue: Catalogue, info: TypeInfo, offset: int, wanted: int) -> list[Member]:
    """Return the members, the last first; of a union, those with a pointer to the wanted type at the offset, then those
    that are pointers, before the others."""
    members = list(reversed(info.members))
    if info.kind is TypeKind.UNION:
        members.sort(
            key=lambda each: (
                wanted == NONE or _pointee(catalogue, each.type, offset - each.offset) != wanted,
                not _is_pointer(catalogue, each.type),
            )
        )
    return members


def _pointee(catalogue: Catalogue, number: int, offset: int) -> int:
    """Return the type that a pointer at the offset in a type leads to; NONE where there is none, or in a union."""
    for _ in range(_DEEPEST):
        number = stripped(catalogue, number)
        if number == NONE:
            return NONE
        info = catalogue.types[number]
        if info.kind is TypeKind.POINTER:
            return stripped(catalogue, info.target) if not offset else NONE
        if info.kind is TypeKind.ARRAY:
            size = size_of(catalogue, info.target)
            number, offset = info.target, offset % size if size else offset
        elif info.kind is TypeKind.STRUCT:
            inside = [each for each in info.members if each.kind in (MemberKind.FIELD, MemberKind.BASE)]
            inside = [each for each in inside if each.offset <= offset < each.offset + size_of(catalogue, each.type)]
            if not inside:
                return NONE
            number, offset = inside[-1].type, offset - inside[-1].offset
        else:
            return NONE
    return NONE


def _is_pointer(catalogue: Catalogue, number: int) -> bool:
    number = stripped(catalogue, number)
    return number != NONE and catalogue.types[number].kind is TypeKind.POINTER


def member_name(catalogue: Catalogue, number: int, offset: int, telling: Telling = _PLAINLY) -> str:
    """Return a member with its type in front: "Shape::id", "dictEntry.key" in C; the type's name for the whole."""
    path = member_path(catalogue, number, offset, telling)
    behind = stripped(catalogue, number)
    scope = "::" if behind != NONE and catalogue.types[behind].language in ("c++", "rust") else "."
    name = type_name(catalogue, number) if path else ""
    if not path:
        return type_name(catalogue, number)
    return name + (scope + path[1:] if path[0] == "." else path)


def size_of(catalogue: Catalogue, number: int, depth: int = 0) -> int:
    """Return the size of a type behind typedefs in bytes; 0 where it is not known, or nothing."""
    number = stripped(catalogue, number)
    if number == NONE or depth > _DEEPEST:
        return 0
    info = catalogue.types[number]
    if info.kind is TypeKind.ARRAY and not info.size and info.count > 0:
        return min(info.count * size_of(catalogue, info.target, depth + 1), (1 << 31) - 1)
    return info.size


def element_size(catalogue: Catalogue, number: int) -> int:
    """Return the size of an array's elements in bytes; 0 where that is not known, or the type is no array."""
    number = stripped(catalogue, number)
    is_array = number != NONE and catalogue.types[number].kind is TypeKind.ARRAY
    return size_of(catalogue, catalogue.types[number].target) if is_array else 0


def _is_flexible(catalogue: Catalogue, number: int) -> bool:
    number = stripped(catalogue, number)
    info = catalogue.types[number] if number != NONE else None
    return info is not None and info.kind is TypeKind.ARRAY and info.count in (NONE, 0)
