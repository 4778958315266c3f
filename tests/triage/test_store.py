"""Rows that were written are there, once, whatever ended the run."""

from __future__ import annotations

import json

import pytest

from gdbheap.errors import HeapError
from gdbheap.triage.row import Row
from gdbheap.triage.store import NAME, Store


def kept(directory) -> list[str]:
    store = Store(str(directory))
    try:
        return [row.key for row in store.rows]
    finally:
        store.close()


def test_rows_come_back_as_they_were(tmp_path):
    row = Row("k", "/core\udcff", frames=("a", "b"), leaks=({"what": "x", "bytes": 1},), errors=("e",))
    store = Store(str(tmp_path / "new" / "directory"))
    store.add(row)
    store.add(Row("k", "the same core again"))
    store.close()
    again = Store(str(tmp_path / "new" / "directory"))
    assert again.rows == [row] and "k" in again
    again.close()


def test_a_row_that_was_cut_off_is_written_anew(tmp_path):
    whole = json.dumps(Row("a", "/a").record())
    (tmp_path / NAME).write_text(whole + "\n" + whole.replace('"a"', '"b"')[:40])
    store = Store(str(tmp_path))
    assert [row.key for row in store.rows] == ["a"]
    store.add(Row("b", "/b"))
    store.close()
    assert [json.loads(line)["key"] for line in (tmp_path / NAME).read_text().splitlines()] == ["a", "b"]


def test_what_is_no_row_is_left_alone(tmp_path):
    lines = ["[]", "{}", "nonsense", '{"key": 3, "core": "x"}', json.dumps({"key": "a", "core": "/a", "later": 1})]
    (tmp_path / NAME).write_text("\n".join(lines) + "\n")
    assert kept(tmp_path) == ["a"]
    assert (tmp_path / NAME).read_text() == "\n".join(lines) + "\n"


def test_rows_are_taken_out(tmp_path):
    store = Store(str(tmp_path))
    for key in ("a", "b", "c"):
        store.add(Row(key, key, errors=("e",) if key == "b" else ()))
    store.drop(lambda row: bool(row.errors))
    store.close()
    assert kept(tmp_path) == ["a", "c"]


def test_one_run_at_a_time(tmp_path):
    first = Store(str(tmp_path))
    with pytest.raises(HeapError, match="another triage writes"):
        Store(str(tmp_path))
    first.close()
    assert kept(tmp_path) == []


def test_where_nothing_can_be_written_one_line_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HeapError, match="cannot write"):
        Store(str(tmp_path / "file"))
