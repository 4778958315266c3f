"""Rows as a Parquet file, for what reads those: pandas, DuckDB, Spark. pyarrow, which is optional, writes it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from gdbheap.errors import HeapError
from gdbheap.triage.extras import extra
from gdbheap.triage.row import Row


def write_parquet(path: str, rows: Sequence[Row]) -> None:
    """Write the rows, in place of what is there; HeapError where they cannot be."""
    arrow, parquet = extra("pyarrow"), extra("pyarrow.parquet")
    # (A file is whole or not there.)
    made = f"{path}.part"
    try:
        parquet.write_table(arrow.Table.from_pylist(list(map(_flat, rows)), schema=_schema(arrow)), made)
        os.replace(made, path)
    except OSError as error:
        raise HeapError(f"cannot write {path}: {error.strerror or error}") from error


def _flat(row: Row) -> dict[str, Any]:
    """Return the row as its JSON line has it, sizes of leaks as the range that they may be."""
    record = row.record()
    for leak in record["leaks"]:
        size = leak["chunk_size"]
        leak["chunk_size"] = list(size) if isinstance(size, (list, tuple)) else [size]
    return record


def _schema(arrow: Any) -> Any:
    """Return the columns' types, which are those of Row's fields, whatever its rows hold."""
    text, number, real = arrow.string(), arrow.int64(), arrow.float64()
    types: dict[str, Any] = {
        "str": text,
        "int": number,
        "int | None": number,
        "float": real,
        "tuple[str, ...]": arrow.list_(text),
    }
    records: dict[str, Any] = {
        "leaks": {
            "kind": text,
            "what": text,
            "chunk_size": arrow.list_(number),
            **dict.fromkeys(("count", "bytes", "hanging_bytes"), number),
        },
        "suspects": {
            **dict.fromkeys(("holder", "type", "kind"), text),
            **dict.fromkeys(("bytes", "blocks"), number),
            "share": real,
        },
    }
    return arrow.schema(
        [
            (
                each.name,
                arrow.list_(arrow.struct(records[each.name])) if each.name in records else types[str(each.type)],
            )
            for each in fields(Row)
        ]
    )
