"""Memory as gdb prints it: of a type by its name, or of the type that an expression points to. Pretty-printers are at
work, with gdb's hands off the process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import gdb

from gdbheap.inside_gdb.expressions import look_at
from gdbheap.inside_gdb.hands_off import hands_off
from gdbheap.inside_gdb.references import REFERENCES
from gdbheap.types.links import Link

# What the C++ library's nodes keep their element in: bytes, of the type that is the template's argument.
_BUFFERS = ("__gnu_cxx::__aligned_membuf<", "__gnu_cxx::__aligned_buffer<")
_RECORDS = (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION)
# What one value may show: so many elements, so deep; and so many characters in all.
_ELEMENTS = 32
_DEPTH = 6
_MOST_TEXT = 1 << 14
# std::unique_ptr keeps its pointer seven members deep.
_DEEPEST = 9
_MOST_PARTS = 1024
_MOST_LINKS = 64


_ERRORS = "python print-stack"


@contextmanager
def _silent_printers() -> Iterator[None]:
    """Keep what fails in a pretty-printer (libstdc++'s, where the compiler left out a type) off the terminal: the value
    has what it did print."""
    before = gdb.parameter(_ERRORS)
    gdb.execute(f"set {_ERRORS} none", to_string=True)
    try:
        yield
    finally:
        gdb.execute(f"set {_ERRORS} {before}", to_string=True)


class GdbTypedMemory:
    """A type of gdb's that memory may be shown as."""

    def __init__(self, kind: gdb.Type) -> None:
        self._type = kind.unqualified()
        self.name = str(self._type)
        self.size = max(int(self._type.sizeof), 0)

    def show(self, address: int, count: int = 1, one_line: bool = False) -> str:
        """Return what lies there, as gdb prints it, of an array of `count` where that is not 1; what gdb says where it
        cannot."""
        try:
            with _silent_printers():
                text: str = hands_off(lambda: self._text(address, count, one_line))
        except gdb.error as error:
            return f"<{error}>"
        return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}…"

    def _text(self, address: int, count: int, one_line: bool) -> str:
        offset, kind = self._element()
        kind = self._type.array(count - 1) if count > 1 else kind
        place = gdb.Value(address + offset).cast(gdb.lookup_type("void").pointer())
        value = place.cast(kind.pointer()).dereference()
        return str(
            value.format_string(
                max_elements=_ELEMENTS,
                max_depth=_DEPTH,
                repeat_threshold=10,
                pretty_structs=not one_line,
                pretty_arrays=False,
                array_indexes=False,
                static_members=False,
                actual_objects=False,
                symbols=True,
                unions=True,
            )
        )

    def _element(self) -> tuple[int, gdb.Type]:
        """Return what of it is to be shown, at which offset: the element of a node of the C++ library's, else all."""
        if self.name.startswith("std::"):
            for part in islice(_parts_of(self._type.strip_typedefs()), _MOST_PARTS):
                if str(part.type).startswith(_BUFFERS):
                    return part.offset, part.type.template_argument(0)
        return 0, self._type

    def links(self) -> tuple[Link, ...]:
        """Return the members that point to another of this type, in order of offset."""
        kind = self._type.strip_typedefs()
        if kind.code not in _RECORDS:
            return ()
        parts = islice(_parts_of(kind), _MOST_PARTS)
        found = {link.offset: link for part in parts for link in _links_of(part)}
        return tuple(sorted(found.values(), key=lambda link: link.offset)[:_MOST_LINKS])


class _Part:
    """A member at some depth, or the whole struct (named ""): `outer` are the structs that it lies in, by offset."""

    def __init__(self, name: str, offset: int, kind: gdb.Type, outer: tuple[tuple[int, gdb.Type], ...]) -> None:
        self.name = name
        self.offset = offset
        self.type = kind
        self.outer = outer


def _parts_of(kind: gdb.Type) -> Iterator[_Part]:
    """Yield every member, from the widest to those inside."""
    waiting = [_Part("", 0, kind, ())]
    for _ in range(_DEEPEST):
        inner: list[_Part] = []
        for part in waiting:
            outer = (*part.outer, (part.offset, part.type))
            for name, offset, each in _members(part):
                inner.append(_Part(name, offset, each, outer))
        yield from inner
        waiting = [part for part in inner if part.type.code in _RECORDS][:_MOST_PARTS]


def _members(part: _Part) -> Iterator[tuple[str, int, gdb.Type]]:
    for field in part.type.fields():
        place = getattr(field, "bitpos", None)
        if place is None or field.type is None or getattr(field, "bitsize", False):
            continue
        offset, kind = part.offset + place // 8, field.type.strip_typedefs()
        name = _joined(part.name, "" if field.is_base_class else field.name or "")
        if kind.code != gdb.TYPE_CODE_ARRAY:
            yield name, offset, kind
            continue
        if kind.dynamic:  # gdb 10 fails itself when it is asked for the range
            continue
        element = kind.target().strip_typedefs()
        low, high = kind.range()
        if element.code == gdb.TYPE_CODE_PTR:
            for index in range(max(min(high - low + 1, _MOST_LINKS), 0)):
                yield f"{name}[{index}]", offset + index * element.sizeof, element


def _joined(outer: str, inner: str) -> str:
    """Return a member's name within what holds it; what the C++ library calls its own ("_M_t._M_head_impl") is left
    out of the name of a program's member."""
    if not inner or (outer and inner.startswith("_M_")):
        return outer
    return f"{outer}.{inner}" if outer else inner


def _links_of(part: _Part) -> Iterator[Link]:
    """Yield the link that a part is: a pointer to a struct of the very kind that it lies in."""
    if part.type.code != gdb.TYPE_CODE_PTR:
        return
    target = part.type.target().strip_typedefs().unqualified()
    if target.code not in _RECORDS:
        return
    for offset, kind in part.outer:
        if kind.unqualified() == target:
            yield Link(part.name, part.offset, offset, sure=kind is part.outer[0][1])
            return


def named(name: str) -> GdbTypedMemory | None:
    """Return the type of this name ("struct order", "Shape", "char *"); None where gdb knows none."""
    with _language("c++"):
        found = next(filter(None, map(_looked_up, (name, f"struct {name}", f"union {name}"))), None)
    return None if found is None else GdbTypedMemory(found)


def _looked_up(name: str) -> gdb.Type | None:
    plain = name.rstrip("* ")
    try:
        kind = gdb.lookup_type(plain)
    except gdb.error:
        return None
    for _ in range(name[len(plain) :].count("*")):
        kind = kind.pointer()
    return kind


def pointed_to(expression: str) -> tuple[int, GdbTypedMemory] | None:
    """Return what an expression's value points to: its address and type, of an object with a vtable the whole object.
    None where the type does not tell (a pointer to void or to a byte)."""

    def look(value: gdb.Value) -> tuple[int, GdbTypedMemory] | None:
        kind = value.type.strip_typedefs()
        if kind.code in REFERENCES:
            value = value.referenced_value()
            kind = value.type.strip_typedefs()
        if kind.code == gdb.TYPE_CODE_ARRAY and value.address is not None:
            return int(value.address), GdbTypedMemory(value.type)
        if kind.code != gdb.TYPE_CODE_PTR or _is_vague(kind.target()):
            return None
        address = int(value) & ((1 << 8 * kind.sizeof) - 1)
        return _whole(value, address)

    return look_at(expression, look)


def _is_vague(kind: gdb.Type) -> bool:
    plain = kind.strip_typedefs()
    if plain.code in _RECORDS:
        return not plain.fields()  # declared, and defined nowhere
    return plain.code in (gdb.TYPE_CODE_VOID, gdb.TYPE_CODE_FUNC) or plain.sizeof <= 1


def _whole(pointer: gdb.Value, address: int) -> tuple[int, GdbTypedMemory]:
    """Return the object at the address, or what it is a base of, as its vtable tells."""
    declared = pointer.type.strip_typedefs().target()
    try:
        kind = pointer.dereference().dynamic_type
        if kind.unqualified() == declared.strip_typedefs().unqualified():
            return address, GdbTypedMemory(declared)
        # The Itanium C++ ABI keeps the way to the whole object two words before what the vtable pointer leads to.
        words = gdb.lookup_type("long").pointer()
        table = gdb.Value(address).cast(words.pointer()).dereference()
        return address + int((table - 2).dereference()), GdbTypedMemory(kind)
    except gdb.error:
        return address, GdbTypedMemory(declared)


@contextmanager
def _language(name: str) -> Iterator[None]:
    """Look types up as in this language, whatever the frame's is: in a C function gdb finds no template's."""
    before: Any = gdb.parameter("language")
    _set_language(name)
    try:
        yield
    finally:
        _set_language(before)


def _set_language(name: str) -> None:
    gdb.execute(f"set language {name}", to_string=True)
