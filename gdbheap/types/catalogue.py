"""What a module's debug information says of types and variables. The scanner (elf/) makes catalogues; nobody who
reads one knows DWARF.

Every number in a catalogue is bounded by whoever made it: members lie inside their struct, sizes are below 2^31, type
numbers are valid or NONE. Chains (typedef of typedef, array of arrays, base of base) may still be long or go round in
a circle: whoever follows them counts.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import field

from gdbheap.lazy import dataclass

NONE = -1
"""The number of no type: void, or one that is missing from the debug information."""


class TypeKind(enum.IntEnum):
    """What a type is, as far as bytes are concerned. const, volatile and atomic are left out."""

    OPAQUE = 0
    """Declared and never defined where we looked; its size is 0."""
    SCALAR = 1
    """Integers of more than a byte, floats, booleans, enumerations."""
    CHARACTER = 2
    """char, signed and unsigned char, char8_t, std::byte: a byte that may be text or raw memory."""
    POINTER = 3
    """Pointers and references; `target` is what is pointed to (NONE: void)."""
    FUNCTION = 4
    STRUCT = 5
    """struct and class, and Rust's; `members` has base classes too."""
    UNION = 6
    """Unions, and the variants of a Rust enum."""
    ARRAY = 7
    """`count` elements of `target`; count NONE: a flexible array member, or bounds unknown."""
    TYPEDEF = 8
    """Another name of `target`. An unnamed struct that a typedef names has that name itself."""
    MEMBER_POINTER = 9
    """A C++ pointer to member: no pointer into the heap."""


class MemberKind(enum.IntEnum):
    """How a member lies in its struct."""

    FIELD = 0
    BASE = 1
    """A base class's part; the member has no name."""
    BIT_FIELD = 2
    VTABLE = 3
    """The compiler's vtable pointer."""
    VIRTUAL_BASE = 4
    """A virtual base class's part: at the offset that the object's vtable holds, `offset` bytes (negative) from where
    its vtable pointer points to."""


@dataclass(frozen=True)
class Member:
    """A member of a struct or union: its name ("" for a base class, an unnamed struct or union), byte offset and
    type."""

    name: str
    offset: int
    type: int
    kind: MemberKind = MemberKind.FIELD


@dataclass(frozen=True)
class TypeInfo:
    """One type. `name` is as C++ writes it, with namespaces and template arguments ("std::vector<int,
    std::allocator<int> >"), "" where it has none; `size` in bytes (0: unknown, or empty). `arguments` are the types
    among the template arguments, in order (NONE for those that are values). `language`: "c", "c++", "rust" or ""."""

    name: str
    kind: TypeKind
    size: int
    target: int = NONE
    count: int = NONE
    members: tuple[Member, ...] = ()
    arguments: tuple[int, ...] = ()
    language: str = ""


class Storage(enum.IntEnum):
    """Where a variable lies."""

    STATIC = 0
    """At `place`, an address as the module is linked: add the module's bias."""
    THREAD_LOCAL = 1
    """At `place` bytes into the module's block of thread-local storage, once for each thread."""


@dataclass(frozen=True)
class Variable:
    """A global, file-static, class-static, function-static or thread-local variable. `name` is qualified
    ("cache::entries"); `function` has the name of the function for one that is static in a function, else ""."""

    name: str
    type: int
    storage: Storage
    place: int
    function: str = ""


@dataclass(frozen=True)
class Catalogue:
    """The types and variables of one module (or of several, joined): `types` by number, `variables` in order of
    place, `problems` what could not be read and why, for people."""

    types: Sequence[TypeInfo] = ()
    variables: Sequence[Variable] = ()
    problems: tuple[str, ...] = ()
    by_name: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """The numbers of the structs, unions, typedefs and scalars of each name: several where modules disagree."""
    interrupted: bool = False
    """Ctrl-C stopped it: there is more than this."""
