"""Parquet's columns are those of a row: each list of texts is one, each number is one."""

from __future__ import annotations

import sys
from types import ModuleType

from gdbheap.triage.parquet import write_parquet
from gdbheap.triage.row import Row

ROW = Row(
    "key",
    "/core",
    verdicts=("a", "b"),
    frames=("main",),
    leaks=({"kind": "k", "what": "w", "chunk_size": 32, "count": 1, "bytes": 32, "hanging_bytes": 0},),
    suspects=({"holder": "h", "type": None, "kind": "k", "bytes": 1, "share": 0.5, "blocks": 1},),
)
FITTING = {"text": (str, type(None)), "number": (int, type(None)), "real": (float, int)}


def fits(value, kind):
    """Whether a value can be kept in a column of this type, as pyarrow has it."""
    if isinstance(kind, list):
        return isinstance(value, (list, tuple)) and all(fits(each, kind[0]) for each in value)
    if isinstance(kind, dict):
        return value.keys() == kind.keys() and all(fits(value[name], each) for name, each in kind.items())
    return isinstance(value, FITTING[kind])


def test_every_field_fits_its_column(tmp_path, monkeypatch):
    arrow, parquet = ModuleType("pyarrow"), ModuleType("pyarrow.parquet")
    arrow.string, arrow.int64, arrow.float64 = (lambda kind=kind: kind for kind in ("text", "number", "real"))
    arrow.list_, arrow.struct, arrow.schema = (lambda kind: [kind]), dict, list

    class Table:
        @staticmethod
        def from_pylist(rows, schema):
            return rows, dict(schema)

    arrow.Table = Table
    written = []
    parquet.write_table = lambda table, path: (written.append(table), open(path, "wb").close())
    monkeypatch.setitem(sys.modules, "pyarrow", arrow)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", parquet)
    write_parquet(str(tmp_path / "rows.parquet"), [ROW])
    (((row,), schema),) = written
    assert row.keys() == schema.keys()
    assert {name: value for name, value in row.items() if not fits(value, schema[name])} == {}
    assert (tmp_path / "rows.parquet").exists()
