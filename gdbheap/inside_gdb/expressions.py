"""gdb's expressions as addresses, and addresses as gdb's symbols."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import TypeVar

import gdb

from gdbheap.errors import UsageError
from gdbheap.inside_gdb.hands_off import hands_off
from gdbheap.inside_gdb.references import REFERENCES
from gdbheap.inside_gdb.text import output_of, text_of
from gdbheap.interface.assignments import find_assignment, holds_text
from gdbheap.lazy import regex
from gdbheap.process.named_address import NamedAddress

_Value = TypeVar("_Value")
_SCALARS = tuple(getattr(gdb, f"TYPE_CODE_{name}") for name in ("INT", "CHAR", "BOOL", "ENUM", "PTR", "FLAGS"))
_ADDRESS_CODES = (*_SCALARS, gdb.TYPE_CODE_FUNC, gdb.TYPE_CODE_METHOD, gdb.TYPE_CODE_ARRAY)
# The current source language is "auto; currently c++".
_LANGUAGE = regex(r'"(?:auto; currently |local; currently )?([^"]+)"')
_KERNELS_OWN = "system-supplied DSO at "
_SYMBOL = regex(r"(?P<name>.+?)(?: \+ (?P<offset>\d+))? in section \S+(?: of (?P<file>.*))?")

# gdb's words for a type where a value is wanted, and for a variable of a file without debug information.
_TYPE = "type name as an expression"
_UNTYPED = regex(r"'(?P<name>[^']+)' has unknown type")
_NAME = regex(r"[A-Za-z_]\w*")
# Where the linker has put a variable of a library's into the program, its name has the library's version on.
_VERSION = regex(r"@@?(?!plt\b|got\b)[^@\s]+$")


def evaluate(expression: str) -> int:
    """Return a gdb expression's value as address_of() does; UsageError with gdb's words where it has none.

    Nothing is called or written in the process for it: UsageError too where gdb would have to.
    """
    _refuse_assignment(expression)
    return _looked_at(expression, lambda: _word(gdb.parse_and_eval(expression), expression))


def look_at(expression: str, ask: Callable[[gdb.Value], _Value]) -> _Value:
    """Return ask() of a gdb expression's value, with nothing called or written, either; UsageError with gdb's words
    where that fails."""
    _refuse_assignment(expression)
    return _looked_at(expression, lambda: ask(gdb.parse_and_eval(expression)))


def _refuse_assignment(expression: str) -> None:
    operator = find_assignment(expression, _language, _is_register)
    if operator:
        raise UsageError(
            f"{expression}: `{operator}` assigns, and gdbheap changes nothing in the program (gdb's print does)"
        )


def address_of(value: gdb.Value, expression: str) -> int:
    """Return a pointer's or integer's value as an unsigned word; of an array or a function, its address; else
    UsageError."""
    if value.type.strip_typedefs().code in _SCALARS:
        # Such a value needs nothing of the process but a read, and the switches may not be thrown where gdb decides
        # whether to stop at a breakpoint (gdb 10 then takes the thread for running).
        try:
            return _word(value, expression)
        except gdb.error as error:
            raise UsageError(f"{expression}: {error}") from error
    return _looked_at(expression, lambda: _word(value, expression))


def _looked_at(expression: str, compute: Callable[[], _Value]) -> _Value:
    try:
        return hands_off(compute)
    except gdb.error as error:
        if _TYPE in str(error):
            raise UsageError(
                f"{expression} is a type, not an address: `heap types --type {expression}` lists its blocks"
            ) from None
        if untyped := _UNTYPED.search(str(error)):
            name = untyped["name"]
            raise UsageError(
                f"{expression}: no debug information says what {name} is: &{name} is its address, *(void **)&{name} "
                "the pointer that it may hold"
            ) from None
        if "may-call-functions" not in str(error):
            raise UsageError(f"{expression}: {error}") from error
    why = "to keep this text, gdb would call malloc" if holds_text(expression) else "gdb would call a function"
    raise UsageError(f"{expression}: {why} in the program, and gdbheap changes nothing there (gdb's print does)")


def _word(value: gdb.Value, expression: str) -> int:
    kind = value.type.strip_typedefs()
    if kind.code in REFERENCES:
        value = value.referenced_value()
        kind = value.type.strip_typedefs()
    if kind.code not in _ADDRESS_CODES:
        where = f": &{expression} is its address" if _NAME.fullmatch(expression) and value.address is not None else ""
        raise UsageError(f"{expression} is a {value.type}, not an address{where}")
    if kind.code in (gdb.TYPE_CODE_ARRAY, gdb.TYPE_CODE_FUNC, gdb.TYPE_CODE_METHOD):
        if value.address is None:
            what = "is text, not an address" if holds_text(expression) else "has no address"
            raise UsageError(f"{expression} {what}")
        value = value.address
    return int(value) & ((1 << 64) - 1)


def _language() -> str:
    """Return gdb's current language: "c", "ada"."""
    match = _LANGUAGE.search(output_of("show language"))
    return match[1].lower() if match else "c"


def _is_register(name: str) -> bool:
    """Whether $NAME is a register of the selected frame (without a frame, nothing of a process can be named so)."""
    try:
        gdb.selected_frame().read_register(name)
    except ValueError:
        return False
    except gdb.error:
        return gdb.selected_thread() is not None
    return True


def symbol_at(address: int) -> NamedAddress | None:
    """Return the symbol that the address is in, None where gdb knows none."""
    try:
        text = output_of(f"info symbol {address:#x}")
    except gdb.error:
        return None
    match = _SYMBOL.fullmatch(text.split("\n", 1)[0])
    if match is None:
        return None
    file = match["file"] or text_of(lambda: gdb.selected_inferior().progspace.filename) or ""
    return NamedAddress(_VERSION.sub("", match["name"]), int(match["offset"] or 0), _mapped_name(file))


@functools.lru_cache(1 << 10)
def _mapped_name(file: str) -> str:
    """Return what the kernel calls a file: gdb names it as the program does ("libstdc++.so.6"), which may be a link,
    and the kernel's own in words."""
    if file.startswith(_KERNELS_OWN):
        return "[vdso]"
    return os.path.basename(os.path.realpath(file))


def demangled(name: str) -> str:
    """Return a linked name as C++ writes it, if it is one of C++'s."""
    if not name.startswith("_Z"):
        return name
    try:
        return output_of(f"demangle -l c++ -- {name}").strip() or name
    except gdb.error:
        return name


def register_now(name: str) -> int:
    """Return the register of the selected thread, which has just stopped. (By its frame it takes ten times as long: gdb
    unwinds for one.)"""
    return int(gdb.parse_and_eval(f"${name}"))
