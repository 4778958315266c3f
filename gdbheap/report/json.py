"""A Report as JSON, some thousand rows at a time: a million rows never become one object.

Addresses are hex strings (JSON numbers lose them), sizes and counts ints, unknown is null.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from json.encoder import encode_basestring_ascii
from typing import Any

from gdbheap.process.address import Address
from gdbheap.report.blocks import published_blocks
from gdbheap.report.failure import Failure
from gdbheap.report.printable import printable
from gdbheap.report.report import ABSENT, FaultLine, Report, Table

SCHEMA = "gdbheap/1"


def json_lines(report: Report) -> Iterator[str]:
    """Yield the lines of the report's JSON, one for each row, each with its line end; those of many rows at once."""
    yield f'{{"schema": "{SCHEMA}", "command": {json.dumps(report.command)},\n"rows": ['
    separator = "\n"
    for rows in _rows(report.table):
        yield separator + ",\n".join(rows)
        separator = ",\n"
    yield "],\n"
    rest = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in _rest(report).items())
    yield f"{rest}}}\n"


def row_lines(report: Report) -> Iterator[str]:
    """Yield an object for each row, a line each, and what is not in rows as the last line: the one with "schema"."""
    for rows in _rows(report.table):
        yield "\n".join([*rows, ""])
    yield json.dumps({"schema": SCHEMA, "command": report.command, **_rest(report)}) + "\n"


def error_line(command: str, failure: Failure) -> str:
    """Return what JSON says in an answer's place, a line."""
    error = {"code": failure.code, "message": printable(failure.message), "next": list(failure.next)}
    return json.dumps({"schema": SCHEMA, "command": command, "error": error}) + "\n"


def _rest(report: Report) -> dict[str, Any]:
    """Return what an answer has beside its rows."""
    return {
        "left_out": report.table.left_out,
        "totals": {name: _plain(value) for name, value in report.facts.items()},
        "notes": [printable(note) for note in report.notes],
        "faults": [_fault(fault) for fault in report.faults],
        "next": [printable(each.command) for each in report.next],
    }


def _rows(table: Table) -> Iterator[Iterator[str]]:
    """Yield the objects of many rows at a time, made of their columns."""
    columns = [column for column in table.columns if column.published]
    for block in published_blocks(table):
        made = [_cells(cells, column.format) for column, cells in zip(columns, block)]
        row = ", ".join(f"{json.dumps(column.name)}: {form}" for column, (form, _) in zip(columns, made))
        yield map(f"{{{row}}}".__mod__, zip(*(cells for _, cells in made)))


def _cells(cells: Sequence[Any], format: str) -> tuple[str, Iterable[Any]]:
    """Return the cells of a column as they go into a row, and the %-form by which they do."""
    types = set(map(type, cells))
    if types == {int} and format in _OF_INTS:
        return _OF_INTS[format], cells
    convert = _CONVERTERS[format]
    if types == {str}:
        if convert is _text and _stand_as_they_are(cells):
            return '"%s"', cells
        return "%s", map(_Texts(convert).__getitem__, cells)
    if types == {bool} and format == "flag":
        return "%s", map(_FLAGS.__getitem__, cells)
    texts = _Texts(convert)
    if types <= _TEXTS_OR_NONE:
        return "%s", map(texts.__getitem__, cells)
    made = [texts[cell] if cell.__class__ in _TEXTS_OR_NONE else convert(cell) for cell in cells]
    return "%s", made


def _stand_as_they_are(texts: Sequence[str]) -> bool:
    """Whether JSON writes all of the texts as they are, between quotation marks."""
    together = "".join(texts)
    return together.isascii() and together.isprintable() and '"' not in together and "\\" not in together


class _Texts(dict[Any, str]):
    """Texts as they were made once (a column of words has few that differ), and what stands for none."""

    def __init__(self, convert: Callable[[Any], str]) -> None:
        super().__init__({None: "null", ABSENT: "null"})
        self._convert = convert

    def __missing__(self, word: str) -> str:
        text = self[word] = self._convert(word)
        return text


def _fault(fault: FaultLine) -> dict[str, Any]:
    return {
        "address": f"{fault.address:#x}",
        "message": printable(fault.message),
        "detail": printable(fault.detail),
        "invariant": fault.invariant,
        "facts": None if fault.facts is None else _plain(fault.facts),
    }


def _plain(value: Any) -> Any:
    """Return a total as JSON has it: numpy's ints as ints, addresses in hex, text made safe."""
    if isinstance(value, (str, Address)):
        return printable(str(value))
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, (bool, float)) else int(value)


def _address(value: Any) -> str:
    return f'"{value:#x}"'


def _integer(value: Any) -> str:
    return str(int(value))


def _text(value: Any) -> str:
    return encode_basestring_ascii(printable(str(value)))


_TEXTS_OR_NONE = {str, type(None), type(ABSENT)}
_FLAGS = {False: "false", True: "true"}
_OF_INTS = {"address": '"%#x"', "size": "%d", "bytes": "%d", "count": "%d", "number": "%d"}
_CONVERTERS: dict[str, Callable[[Any], str]] = {
    "address": _address,
    "size": _integer,
    "bytes": _integer,
    "count": _integer,
    "number": _integer,
    "share": lambda value: f"{value:.6f}",
    "value": lambda value: _text(value) if isinstance(value, str) else _integer(value),
    "text": _text,
    "label": _text,
    "strip": _text,
    "flag": lambda value: _FLAGS[bool(value)],
    "list": lambda values: f"[{', '.join(map(_address, values))}]",
    "facts": lambda values: json.dumps(_plain(values)),
    "texts": lambda values: f"[{', '.join(map(_text, values))}]",
}
