"""The names of C++ types out of their type_info objects, with a symbol or without: there they stand mangled (Itanium C++ ABI, 5.1)."""

from __future__ import annotations

import re

from gdbheap.analysis.faults.verdict import Scene
from gdbheap.errors import MemoryFault

_LONGEST = 512
_MANGLED = re.compile(r"\*?[A-Za-z0-9_.$]+")
_BUILT_IN = {
    "v": "void",
    "w": "wchar_t",
    "b": "bool",
    "c": "char",
    "a": "signed char",
    "h": "unsigned char",
    "s": "short",
    "t": "unsigned short",
    "i": "int",
    "j": "unsigned int",
    "l": "long",
    "m": "unsigned long",
    "x": "long long",
    "y": "unsigned long long",
    "f": "float",
    "d": "double",
    "e": "long double",
}
STRING = "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >"
_STRING = "NSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"


def type_name(scene: Scene, info: int) -> str:
    """Return the name of the type whose type_info is at the address by its symbol, "" where none says that one is."""
    symbol = scene.symbol_at(info) if info else ""
    if not symbol.startswith("typeinfo for "):
        return ""
    # gdb names a versioned symbol with its version.
    return symbol[len("typeinfo for ") :].partition(" in ")[0].partition("@")[0]


def name_without_symbol(scene: Scene, info: int) -> str:
    """Return the name that the type_info at the address has itself, its second word: as it is written in C++ where that is simple, else
    mangled; "" where it cannot be one."""
    pointer = scene.word_at(info + scene.word)
    text = b"" if pointer is None else read_text(scene, pointer, _LONGEST)
    mangled = text.decode("ascii", "replace")
    if not _MANGLED.fullmatch(mangled):
        return ""
    mangled = mangled.lstrip("*")
    if mangled == _STRING:
        return STRING
    name, rest = _type(mangled)
    return name if name and not rest else f"(mangled) {mangled}"


def read_text(scene: Scene, pointer: int, longest: int) -> bytes:
    """Return the bytes at the address up to a zero, at most `longest`, as far as they can be read."""
    text = b""
    while len(text) < longest:
        try:
            piece = scene.process.memory.read(pointer + len(text), 1)
        except (MemoryFault, OverflowError):
            break
        if piece == b"\0":
            break
        text += piece
    return text


def _type(text: str) -> tuple[str, str]:
    """Return the name that the mangled text begins with, and what is left of it; ("", text) where it is more than names, pointers and built-in
    types."""
    if text[:1] in ("P", "K") or text[:1] in _BUILT_IN:
        if text[0] in _BUILT_IN:
            return _BUILT_IN[text[0]], text[1:]
        name, rest = _type(text[1:])
        return (f"{name}{'*' if text[0] == 'P' else ' const'}" if name else ""), rest
    if text.startswith("N"):
        parts, rest = [], text[1:]
        while rest and not rest.startswith("E"):
            part, rest = _source_name(rest)
            if not part:
                return "", text
            parts.append(part)
        return "::".join(parts), rest[1:]
    return _source_name(text)


def _source_name(text: str) -> tuple[str, str]:
    prefix = "std::" if text.startswith("St") else ""
    body = text[2:] if prefix else text
    if prefix and not body[:1].isdigit():
        return "", text
    match = re.match(r"([1-9]\d{0,3})", body)
    if match is None:
        return "", text
    end = match.end() + int(match[1])
    name = body[match.end() : end]
    return (f"{prefix}{name}", body[end:]) if len(name) == int(match[1]) else ("", text)
