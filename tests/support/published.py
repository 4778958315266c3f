"""What is published as JSON: the fields of each command's rows, out of their dataclasses, as a JSON Schema; and what
holds an answer to a schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from gdbheap.commands import MODULES, name_of
from gdbheap.lazy import fields
from gdbheap.report.rows import columns_of
from gdbheap.tables.container_rows import ContainerRow
from gdbheap.tables.holder_rows import HolderRow
from support.gdb_runs import ROOT

FILE = ROOT / "gdbheap" / "docs" / "schema.json"

_ADDRESS = {"type": ["string", "null"], "pattern": "^0x[0-9a-f]+$"}
_FORMATS: dict[str, dict[str, Any]] = {
    "address": _ADDRESS,
    **{name: {"type": ["integer", "null"]} for name in ("size", "bytes", "count", "number")},
    "share": {"type": ["number", "null"]},
    "value": {"type": ["integer", "string", "null"]},
    **{name: {"type": ["string", "null"]} for name in ("text", "label", "strip")},
    "flag": {"type": ["boolean", "null"]},
    "list": {"type": ["array", "null"], "items": _ADDRESS},
    "texts": {"type": ["array", "null"], "items": {"type": "string"}},
    "facts": {"type": ["object", "array", "null"]},
}
# Rows that a command's own module does not name.
_ALSO = {"heap types": (ContainerRow,), "heap leaks": (HolderRow,)}
_TYPES = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict, "null": type(None)}


def rows_of(module: str) -> Iterator[type[Any]]:
    """Yield the dataclasses of the rows that the command of this module has."""
    named = vars(import_module(f"gdbheap.commands.{module}")).values()
    for each in (*named, *_ALSO.get(name_of(module), ())):
        if isinstance(each, type) and _are_columns(each):
            yield each


def _are_columns(row: type[Any]) -> bool:
    try:
        found = fields(row)
    except TypeError:
        return False  # no dataclass
    return bool(found) and all("column" in each.metadata for each in found)


def made() -> dict[str, list[dict[str, Any]]]:
    """Return the schema of each command's rows: of one answer they are all of one of these kinds."""
    return {
        name_of(module): [
            {
                "type": "object",
                "properties": {each.name: _FORMATS[each.format] for each in columns_of(row) if each.published},
                "additionalProperties": False,
            }
            for row in rows_of(module)
        ]
        for module in MODULES
    }


def kept() -> dict[str, Any]:
    """Return the published schema."""
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


def gone(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return what was published and is no more: "heap leaks: bytes"."""
    return [
        f"{command}: {name}"
        for command, kinds in before.items()
        for name in sorted({name for kind in kinds for name in kind["properties"]})
        if not any(name in kind["properties"] for kind in now.get(command, ()))
    ]


def misfits(value: Any, schema: Mapping[str, Any], at: str = "$") -> Iterator[str]:
    """Yield where a value is not what the schema (of the few words used here) allows."""
    if "anyOf" in schema:
        each = [list(misfits(value, one, at)) for one in schema["anyOf"]]
        if each and all(each):
            yield from min(each, key=len)
    wanted = schema.get("type", ())
    wanted = [wanted] if isinstance(wanted, str) else wanted
    if wanted and not any(_is(value, name) for name in wanted):
        yield f"{at}: {value!r} is no {' or '.join(wanted)}"
        return
    if "const" in schema and value != schema["const"]:
        yield f"{at}: {value!r} is not {schema['const']!r}"
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f"{at}: {value!r} does not match {schema['pattern']}"
    if isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            yield from misfits(item, schema["items"], f"{at}[{number}]")
    if isinstance(value, dict):
        yield from _members(value, schema, at)


def _members(value: Mapping[str, Any], schema: Mapping[str, Any], at: str) -> Iterator[str]:
    known = schema.get("properties", {})
    yield from (f"{at}: {name} is missing" for name in schema.get("required", ()) if name not in value)
    for name, each in value.items():
        if name in known:
            yield from misfits(each, known[name], f"{at}.{name}")
        elif schema.get("additionalProperties", True) is False:
            yield f"{at}: {name} is not published"


def _is(value: Any, name: str) -> bool:
    if name == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, _TYPES[name]) and not (name == "integer" and isinstance(value, bool))
