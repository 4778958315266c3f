"""gdb's expressions as addresses, and addresses as gdb's symbols."""

from __future__ import annotations

import os
import re

import gdb

from gdbheap.errors import UsageError
from gdbheap.inside_gdb.text import output_of, text_of

_ADDRESS_CODES = tuple(
    getattr(gdb, f"TYPE_CODE_{name}")
    for name in ("INT", "CHAR", "BOOL", "ENUM", "PTR", "FLAGS", "FUNC", "METHOD", "ARRAY")
)
_REFERENCES = (gdb.TYPE_CODE_REF, getattr(gdb, "TYPE_CODE_RVALUE_REF", gdb.TYPE_CODE_REF))
_SYMBOL = re.compile(r"(?P<name>.+?)(?: \+ (?P<offset>\d+))? in section \S+(?: of (?P<file>.*))?")


def evaluate(expression: str) -> int:
    """Return a gdb expression's value as address_of() does; UsageError with gdb's words where it has none."""
    try:
        return address_of(gdb.parse_and_eval(expression), expression)
    except gdb.error as error:
        raise UsageError(f"{expression}: {error}") from error


def address_of(value: gdb.Value, expression: str) -> int:
    """Return a pointer's or integer's value as an unsigned word; of an array or a function, its address; else UsageError."""
    try:
        kind = value.type.strip_typedefs()
        if kind.code in _REFERENCES:
            value = value.referenced_value()
            kind = value.type.strip_typedefs()
        if kind.code not in _ADDRESS_CODES:
            raise UsageError(f"{expression} is a {value.type}, not an address")
        if kind.code in (gdb.TYPE_CODE_ARRAY, gdb.TYPE_CODE_FUNC, gdb.TYPE_CODE_METHOD):
            value = value.address
        if value is None:
            raise UsageError(f"{expression} has no address")
        return int(value) & ((1 << 64) - 1)
    except gdb.error as error:
        raise UsageError(f"{expression}: {error}") from error


def symbol_at(address: int) -> str:
    """Return "symbol+offset in module", or "" where gdb knows none."""
    try:
        text = output_of(f"info symbol {address:#x}")
    except gdb.error:
        return ""
    match = _SYMBOL.fullmatch(text.split("\n", 1)[0])
    if match is None:
        return ""
    offset = f"+{match['offset']}" if match["offset"] else ""
    file = match["file"] or text_of(lambda: gdb.current_progspace().filename) or ""
    return f"{match['name']}{offset} in {os.path.basename(file)}"


def demangled(name: str) -> str:
    """Return a linked name as C++ writes it, if it is one of C++'s."""
    if not name.startswith("_Z"):
        return name
    try:
        return output_of(f"demangle -l c++ -- {name}").strip() or name
    except gdb.error:
        return name
