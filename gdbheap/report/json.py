"""A Report as JSON, one row at a time: a million rows never become one object.

Addresses are hex strings (JSON numbers lose them), sizes and counts ints, unknown is null.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gdbheap.process.address import Address
from gdbheap.process.fault import Fault
from gdbheap.report.printable import printable
from gdbheap.report.report import ABSENT, Report

SCHEMA = "gdbheap/1"


def json_lines(report: Report) -> Iterator[str]:
    """Yield the lines of the report's JSON, one for each row, each with its line end."""
    yield f'{{"schema": "{SCHEMA}", "command": {json.dumps(report.command)},\n"rows": ['
    columns = [
        (index, json.dumps(column.name), _CONVERTERS[column.format])
        for index, column in enumerate(report.columns)
        if column.published
    ]
    separator = "\n"
    for row in report.rows:
        cells = (f"{key}: {_cell(row[index], convert)}" for index, key, convert in columns)
        yield f"{separator}{{{', '.join(cells)}}}"
        separator = ",\n"
    yield "],\n"
    totals = {name: _plain(value) for name, value in report.totals.items()}
    notes = [printable(note) for note in report.notes]
    faults = [_fault(fault) for fault in report.faults]
    yield f'"totals": {json.dumps(totals)},\n"notes": {json.dumps(notes)},\n"faults": {json.dumps(faults)}}}\n'


def _cell(value: Any, convert: Callable[[Any], str]) -> str:
    return "null" if value is None or value is ABSENT else convert(value)


def _fault(fault: Fault) -> dict[str, str]:
    return {
        "address": f"{fault.address:#x}",
        "message": printable(fault.message),
        "detail": printable(fault.detail),
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
    return json.dumps(printable(str(value)))


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
    "flag": lambda value: "true" if value else "false",
    "list": lambda values: f"[{', '.join(map(_address, values))}]",
    "facts": lambda values: json.dumps(_plain(values)),
    "texts": lambda values: f"[{', '.join(map(_text, values))}]",
}
